"""In: nothing. Out: the systems and codes that the simulated centre writes, each one named in the trial's
specification.

Standing of the codes: `clinical-spec.md` section 6 (verified displays), `clarifications.md` (`urn:reluth:terms`),
FR Core for identifiers. What the centre codes by itself stands in a local system below a synthetic OID.
"""

from __future__ import annotations

from typing import Any, Final

LOINC: Final = "http://loinc.org"
SCT: Final = "http://snomed.info/sct"
ICD10: Final = "http://hl7.org/fhir/sid/icd-10"
ICDO3: Final = "http://terminology.hl7.org/CodeSystem/icd-o-3"
ATC: Final = "http://www.whocc.no/atc"
NCIT: Final = "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl"
UCUM: Final = "http://unitsofmeasure.org"
TERMS: Final = "urn:reluth:terms"
ATTESTATION: Final = "urn:reluth:attestation:nct04954820"

# The extension in which the centre carries the CTCAE grade of an adverse event.
ADVERSE_EVENT_GRADE: Final = "urn:reluth:adverse-event-grade"

# Synthetic OID arc of the simulated centre: 1 laboratory, 2 questions of the clinical record, 3 patient numbers, 4
# stays, 5 pharmacy, 6 kinds of study.
LOCAL_LAB: Final = "urn:oid:1.2.250.1.999.1.1"
LOCAL_RECORD: Final = "urn:oid:1.2.250.1.999.1.2"
LOCAL_IPP: Final = "urn:oid:1.2.250.1.999.1.3"
LOCAL_STAY: Final = "urn:oid:1.2.250.1.999.1.4"
LOCAL_PHARMACY: Final = "urn:oid:1.2.250.1.999.1.5"

# FR Core: identifier types and the authorities that assign them.
FR_IDENTIFIER_TYPE: Final = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203"
HL7_IDENTIFIER_TYPE: Final = "http://terminology.hl7.org/CodeSystem/v2-0203"
INS_NIR: Final = "urn:oid:1.2.250.1.213.1.4.8"
RPPS: Final = "https://rpps.esante.gouv.fr"
FINESS: Final = "https://finess.esante.gouv.fr"

CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
CONDITION_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/condition-category"
CLINICAL: Final = "http://terminology.hl7.org/CodeSystem/condition-clinical"
VERIFICATION: Final = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
ALLERGY_CLINICAL: Final = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
ALLERGY_VERIFICATION: Final = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"
ACT: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
CONSENT_SCOPE: Final = "http://terminology.hl7.org/CodeSystem/consentscope"
GENDER: Final = "http://hl7.org/fhir/administrative-gender"
STUDY_CATEGORY: Final = "urn:oid:1.2.250.1.999.1.6"
ADVERSE_OUTCOME: Final = "http://terminology.hl7.org/CodeSystem/adverse-event-outcome"
DICOM: Final = "http://dicom.nema.org/resources/ontology/DCM"
ABSENT: Final = "http://terminology.hl7.org/CodeSystem/data-absent-reason"

HISTOLOGY: Final = "31206-6"
MORPHOLOGY: Final = "77753-2"
KI67: Final = "29593-1"
ECOG: Final = "89247-1"
DISEASE_STATUS: Final = "97509-4"
BP_PANEL: Final = "85354-9"
SYSTOLIC: Final = "8480-6"
DIASTOLIC: Final = "8462-4"

IMPROVED, STABLE, WORSENED = "268910001", "359746009", "271299001"
NET_SNOMED: Final = "255046005"
INTRAVENOUS: Final = "47625008"
LUTATHERA, VIPIVOTIDE = "V10XX04", "V10XX05"
HEIGHT, WEIGHT = "8302-2", "29463-7"
RADIOTHERAPY: Final = "1217123003"
NO_KNOWN_ALLERGY: Final = "716186003"
OCTREOTIDE, LANREOTIDE = "H01CB02", "H01CB03"

ECOG_ANSWERS: Final = ("LA9622-7", "LA9623-5", "LA9624-3", "LA9625-0", "LA9626-8", "LA9627-6")
ECOG_SNOMED: Final = ("425389002", "422512005", "422894000", "423053003", "423237006", "423409001")

DISPLAY: Final = {
    "C16.9": "Tumeur maligne de l'estomac, sans précision",
    "C17": "Tumeur maligne de l'intestin grêle",
    "C17.0": "Tumeur maligne du duodénum",
    "C17.1": "Tumeur maligne du jéjunum",
    "C17.2": "Tumeur maligne de l'iléon",
    "C17.8": "Tumeur maligne à localisations contiguës de l'intestin grêle",
    "C17.9": "Tumeur maligne de l'intestin grêle, sans précision",
    "C18": "Tumeur maligne du côlon",
    "C18.0": "Tumeur maligne du caecum",
    "C18.1": "Tumeur maligne de l'appendice",
    "C19": "Tumeur maligne de la jonction recto-sigmoïdienne",
    "C20": "Tumeur maligne du rectum",
    "C25.4": "Tumeur maligne du pancréas endocrine",
    "C25.9": "Tumeur maligne du pancréas, sans précision",
    "C34": "Tumeur maligne des bronches et du poumon",
    "C43": "Mélanome malin de la peau",
    "C44.3": "Tumeur maligne de la peau, face",
    "C50.9": "Tumeur maligne du sein, sans précision",
    "C61": "Tumeur maligne de la prostate",
    "C64": "Tumeur maligne du rein",
    "C73": "Tumeur maligne de la thyroïde",
    "C77.2": "Tumeur maligne secondaire des ganglions intra-abdominaux",
    "C78.7": "Tumeur maligne secondaire du foie",
    "C79.3": "Tumeur maligne secondaire du cerveau et des méninges cérébrales",
    "C80": "Tumeur maligne de siège non précisé",
    "C95": "Leucémie à cellules non précisées",
    "D06.9": "Carcinome in situ du col de l'utérus, sans précision",
    "D37.2": "Tumeur à évolution imprévisible de l'intestin grêle",
    "D46": "Syndrome myélodysplasique",
    "E11": "Diabète sucré de type 2",
    "E34.0": "Syndrome carcinoïde",
    "F10": "Troubles liés à l'alcool",
    "F17.2": "Syndrome de dépendance au tabac",
    "I10": "Hypertension essentielle",
    "I20.0": "Angine de poitrine instable",
    "I21.9": "Infarctus aigu du myocarde, sans précision",
    "I26.9": "Embolie pulmonaire, sans mention de coeur pulmonaire aigu",
    "I48": "Fibrillation et flutter auriculaires",
    "I50": "Insuffisance cardiaque",
    "I61": "Hémorragie intracérébrale",
    "I63.9": "Infarctus cérébral, sans précision",
    "I69": "Séquelles de maladies cérébrovasculaires",
    "N04": "Syndrome néphrotique",
    "R00.1": "Bradycardie, sans précision",
    "Z33": "État de grossesse",
    "Z51.0": "Séance de radiothérapie",
    "Z51.5": "Soins palliatifs",
    "Z92.3": "Antécédents personnels d'irradiation",
    "Z95.5": "Présence d'un implant et d'une greffe vasculaires coronaires",
    "8240/3": "Carcinoid tumor",
    "8249/3": "Neuroendocrine tumor, grade 2",
    "8246/3": "Neuroendocrine carcinoma, NOS",
    "8244/3": "Mixed adenoneuroendocrine carcinoma",
    "8013/3": "Large cell neuroendocrine carcinoma",
    "8041/3": "Small cell carcinoma",
    "V10XX04": "lutetium (177Lu) oxodotreotide",
    "V10XX05": "lutetium (177Lu) vipivotide tetraxetan",
    "H01CB02": "octreotide",
    "H01CB03": "lanreotide",
}


def coding(system: str, code: str, display: str | None = None) -> dict[str, Any]:
    """One FHIR Coding; the display is the centre's, when it has one."""
    display = display or DISPLAY.get(code)
    if display is None:
        return {"system": system, "code": code}
    return {"system": system, "code": code, "display": display}


def concept(system: str, code: str, text: str | None = None) -> dict[str, Any]:
    """A CodeableConcept of one Coding."""
    written: dict[str, Any] = {"coding": [coding(system, code)]}
    if text is not None:
        written["text"] = text
    return written
