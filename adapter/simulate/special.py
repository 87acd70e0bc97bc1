"""In: nothing. Out: stories of one point each: boundaries of the specification's worded vectors, contradictions, later
records.

All are near the trial: what a story does not say is as it should be for a patient who fits.
"""

from __future__ import annotations

from collections.abc import Mapping

CLEAN = dict.fromkeys(
    ("hemoglobin", "neutrophils", "platelets", "creatinine", "alt", "ast", "bilirubin_total", "albumin"), "plain:good"
)
NEAR = {"tumour": "ileum-g1", "course": "four", "progression": "late", "near": "yes", "merge": "none"}
MAN_65 = {
    "gender": "male",
    "age": "65",
    "birth": "full",
    "nephrotic": "none",
    "E07.b": "no",
    "mdrd": "none",
    "size": "none",
}
_ORGANS = {**NEAR, **CLEAN, **MAN_65}
_AGAIN = {**NEAR, **CLEAN, "course": "second-course"}
_EARLY = {**NEAR, "progression": "early"}

Special = tuple[float, Mapping[str, str]]


def _one(base: Mapping[str, str], **wishes: str) -> Special:
    return 0.2, {**base, **{key.replace("__", "."): value for key, value in wishes.items()}}


SPECIAL: dict[str, Special] = {
    "near-textbook": (2.5, dict(NEAR)),
    "near-textbook-again": (2.5, dict(_AGAIN)),
    "creatinine-152": _one(_ORGANS, creatinine="plain:152 umol/L"),
    "creatinine-153": _one(_ORGANS, creatinine="plain:153 umol/L"),
    "creatinine-mg-per-litre": _one(_ORGANS, creatinine="plain:17.3 mg/L"),
    "creatinine-152-small-body": _one(_ORGANS, creatinine="plain:152 umol/L", size="small"),
    "creatinine-153-large-body": _one(_ORGANS, creatinine="plain:153 umol/L", size="large"),
    "liver-cause-malignancy": _one(_ORGANS, alt="plain:mid", due="today-yes"),
    "liver-cause-other": _one(_ORGANS, alt="plain:mid", due="today-no"),
    "liver-cause-unknown": _one(_ORGANS, ast="plain:mid", due="none"),
    "liver-over-five": _one(_ORGANS, ast="plain:bad", due="today-yes"),
    "organ-function-attested": _one(_ORGANS, E07__b="none", E07="today-no", due="none"),
    "organ-function-attested-against": _one(_ORGANS, alt="plain:bad", E07__b="none", E07="today-no", due="none"),
    "nephrotic-attested-against": _one(_ORGANS, nephrotic="active"),
    "board-of-first-course": _one(NEAR, I06__a="yes", decided="first-course"),
    "board-same-day": _one(NEAR, I06__a="yes", decided="same-day"),
    "scan-reopens": _one(NEAR, sstr="values-missing", I09="earlier:60-yes"),
    "lesion-reopens": _one(NEAR, lesions="single-lately", I10="earlier:three-weeks-yes"),
    "consent-attested-long-ago": _one(NEAR, consent="none", I14="400-yes"),
    "best-response-pd": _one(_EARLY, best="pd"),
    "best-response-pd-but-controlled": _one(NEAR, best="pd"),
    "best-response-sd": _one(_EARLY, best="sd"),
    "stable-after-worsening": _one(_EARLY, best="sd-after-worsening"),
    "response-attested-without-course": _one(NEAR, course="none", E01="yes"),
    "second-pd": _one(_AGAIN, again="pd"),
    "second-unseen": _one(_AGAIN, again="none"),
    "second-worsened": _one(_AGAIN, again="worsened"),
    "second-attested": _one(_AGAIN, again="none", E02="today-yes"),
    "second-attested-against": _one(_AGAIN, again="sd", E02="today-yes"),
    "second-one-attested": _one(_AGAIN, course="second-one", E02="today-yes"),
    "second-third-cycle": _one(_AGAIN, course="second-third", again="pd"),
    "toxicity-platelets-24": _one(NEAR, toxicity="platelets-24"),
    "toxicity-platelets-25": _one(_ORGANS, toxicity="platelets-25"),
    "toxicity-gap": _one(_ORGANS, toxicity="gap"),
    "toxicity-clumps": _one(NEAR, toxicity="clumps"),
    "toxicity-lymphopenia": _one(NEAR, toxicity="lymphopenia"),
    "toxicity-attested-against": _one(NEAR, toxicity="platelets-24", E03__a="no"),
    "toxicity-five-cycles": _one(NEAR, course="five", toxicity="platelets-24"),
    "just-finished": _one(NEAR, course="just-finished"),
    "anaemia-unanswered": _one(_ORGANS, hemoglobin="plain:mid", E03__b="none"),
    "anaemia-answered": _one(_ORGANS, hemoglobin="plain:mid", E03__b="today-no"),
    "anaemia-after-the-answer": _one(_ORGANS, hemoglobin="plain:mid", E03__b="three-weeks-no"),
    "radiation-reopens": _one(NEAR, marrow="course-lately", E06="earlier:three-weeks-no"),
    "infarction-reopens": _one(NEAR, cardiac="infarction-undated", E10="earlier:200-no"),
    "heart-attested-this-year": _one(NEAR, cardiac="none", E10="200-no"),
    "heart-attested-long-ago": _one(NEAR, cardiac="none", E10="400-no"),
    "trial-attested-thirty-days": _one(NEAR, trial="none", E16="30-no"),
    "trial-attested-thirty-one-days": _one(NEAR, trial="none", E16="31-no"),
    "tumour-reopens": _one(NEAR, tumour="cervix", gender="female", E17="earlier:1000-no"),
    "glucose-presumed-gives-way": _one(NEAR, sugar="plain-good", E09="today-yes"),
    "glucose-attested-against": _one(NEAR, sugar="fasting", glucose_fasting="plain:good", E09="today-yes"),
    "performance-attested": _one(NEAR, ecog="none", I07="today-yes"),
    "counts-attested": _one({**NEAR, **CLEAN}, platelets="absent:good", I11="today-yes"),
    "albumin-attested": _one({**NEAR, **CLEAN}, albumin="absent:good", prothrombin="none:good", E08="today-no"),
}
