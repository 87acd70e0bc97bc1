import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.SingleValidationMessage;
import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.SnapshotGeneratingValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;
import org.hl7.fhir.r5.utils.validation.constants.BestPracticeWarningLevel;
import org.slf4j.LoggerFactory;

/**
 * In: on each line of standard input {"version": "4.0.1" | "4.3.0" | "5.0.0", "resource": {...}}. Out: for each a
 * line {"issues": [{"severity", "location", "message", "id"}]} of HL7's validator, or {"problem": "..."}. Nothing is
 * fetched: what it knows is on the class path. It ends when its standard input does.
 */
public class ValidatorServer {

    private static final Map<String, IValidationSupport> DEFINITIONS = new HashMap<>();
    private static final Map<String, FhirValidator> VALIDATORS = new HashMap<>();

    public static void main(String[] args) throws IOException {
        PrintStream answers = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        // Whatever HAPI and its log print must not stand between the answers.
        System.setOut(System.err);
        ((Logger) LoggerFactory.getLogger(Logger.ROOT_LOGGER_NAME)).setLevel(Level.ERROR);
        BufferedReader questions = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = questions.readLine(); line != null; line = questions.readLine()) {
            answers.println(answer(line));
        }
        Runtime.getRuntime().halt(0);
    }

    private static JsonObject answer(String line) {
        JsonObject answer = new JsonObject();
        try {
            JsonObject question = JsonParser.parseString(line).getAsJsonObject();
            // As text, in which Gson keeps the digits of a number as they came: 1.10 stays 1.10.
            String resource = question.get("resource").toString();
            answer.add("issues", issues(resource, question.get("version").getAsString()));
        } catch (RuntimeException problem) {
            problem.printStackTrace();
            answer.addProperty("problem", problem.toString());
        }
        return answer;
    }

    private static JsonArray issues(String resource, String version) {
        FhirValidator validator = VALIDATORS.computeIfAbsent(version, ValidatorServer::validator);
        JsonArray issues = new JsonArray();
        for (SingleValidationMessage found : validator.validateWithResult(resource).getMessages()) {
            JsonObject issue = new JsonObject();
            issue.addProperty("severity", found.getSeverity().getCode());
            issue.addProperty("location", found.getLocationString());
            issue.addProperty("message", found.getMessage());
            issue.addProperty("id", found.getMessageId());
            issues.add(issue);
        }
        return issues;
    }

    private static FhirValidator validator(String version) {
        IValidationSupport definitions = definitions(version);
        FhirContext fhir = definitions.getFhirContext();
        // LOINC, SNOMED CT and ATC are in no core package: a code of theirs is neither right nor wrong, and HAPI warns.
        // The chain caches what it found.
        ValidationSupportChain support = new ValidationSupportChain(
                definitions,
                new InMemoryTerminologyServerValidationSupport(fhir),
                new CommonCodeSystemsTerminologyService(fhir), // UCUM
                new R5Elements(fhir, () -> definitions("5.0.0")),
                new SnapshotGeneratingValidationSupport(fhir));
        FhirInstanceValidator instances = new FhirInstanceValidator(support);
        instances.setAnyExtensionsAllowed(true);
        // Profiles of a country (FR Core) are not at hand: a resource that names one is checked against the core.
        instances.setErrorForUnknownProfiles(false);
        instances.setBestPracticeWarningLevel(BestPracticeWarningLevel.Ignore);
        return fhir.newValidator().registerValidatorModule(instances);
    }

    /** The core definitions of a version, read once: those of R5 serve all three validators. */
    private static IValidationSupport definitions(String version) {
        return DEFINITIONS.computeIfAbsent(version, wanted -> new DefaultProfileValidationSupport(switch (wanted) {
            case "4.0.1" -> FhirContext.forR4();
            case "4.3.0" -> FhirContext.forR4B();
            case "5.0.0" -> FhirContext.forR5();
            default -> throw new IllegalArgumentException("no FHIR version " + wanted);
        }));
    }
}
