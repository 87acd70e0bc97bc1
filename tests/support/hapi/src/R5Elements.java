import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.IValidationSupport;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.hl7.fhir.common.hapi.validation.support.BaseValidationSupport;
import org.hl7.fhir.r5.model.ElementDefinition;
import org.hl7.fhir.r5.model.ElementDefinition.TypeRefComponent;
import org.hl7.fhir.r5.model.StructureDefinition;
import org.hl7.fhir.r5.model.StructureDefinition.TypeDerivationRule;

/**
 * In: the definitions of FHIR R5. Out: the table by which HL7's validator checks R5 elements that older resources carry
 * as extensions (http://hl7.org/fhir/5.0/StructureDefinition/extension-X.y, R5 versions.html#extensions).
 *
 * HL7 hands this table out in a package (hl7.fhir.xver-extensions) that is not in Maven Central; without it every such
 * extension is an error. Derived here: path -> {"elements": [children]} or {"types": ["string", "Reference(Group)"]}.
 */
class R5Elements extends BaseValidationSupport {

    private static final String TABLE = "xver-paths-5.0.json";
    private static final Set<String> INHERITED = Set.of("id", "extension", "modifierExtension");

    private final Supplier<IValidationSupport> r5;
    private byte[] table;

    /**
     * @param fhir the older version whose resources are validated
     * @param r5 gives the definitions of R5; asked when the first such extension is met (they take seconds to read)
     */
    R5Elements(FhirContext fhir, Supplier<IValidationSupport> r5) {
        super(fhir);
        this.r5 = r5;
    }

    @Override
    public byte[] fetchBinary(String key) {
        if (!TABLE.equals(key)) {
            return null;
        }
        if (table == null) {
            table = derived(r5.get().fetchAllStructureDefinitions()).toString().getBytes(StandardCharsets.UTF_8);
        }
        return table;
    }

    private static JsonObject derived(List<StructureDefinition> definitions) {
        JsonObject paths = new JsonObject();
        for (StructureDefinition definition : definitions) {
            if (definition.getDerivation() == TypeDerivationRule.CONSTRAINT) {
                continue;
            }
            for (ElementDefinition element : definition.getSnapshot().getElement()) {
                int dot = element.getPath().lastIndexOf('.');
                if (dot > 0 && !INHERITED.contains(element.getPath().substring(dot + 1))) {
                    add(paths, element, dot);
                }
            }
        }
        return paths;
    }

    private static void add(JsonObject paths, ElementDefinition element, int dot) {
        JsonObject parent = paths.getAsJsonObject(element.getPath().substring(0, dot));
        if (parent != null) {
            // It has children, so its type (BackboneElement) is not the type of a value.
            parent.remove("types");
            if (!parent.has("elements")) {
                parent.add("elements", new JsonArray());
            }
            parent.getAsJsonArray("elements").add(element.getPath().substring(dot + 1));
        }
        JsonArray types = new JsonArray();
        for (TypeRefComponent type : element.getType()) {
            types.add(type.hasTargetProfile() ? type.getCode() + "(" + targets(type) + ")" : type.getCode());
        }
        JsonObject known = new JsonObject();
        known.add("types", types);
        if (element.getIsModifier()) {
            known.addProperty("modifier", true);
        }
        paths.add(element.getPath(), known);
    }

    private static String targets(TypeRefComponent type) {
        return type.getTargetProfile().stream()
                .map(profile -> profile.getValue().substring(profile.getValue().lastIndexOf('/') + 1))
                .map(name -> name.equals("Resource") ? "Any" : name)
                .collect(Collectors.joining("|"));
    }
}
