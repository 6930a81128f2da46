"""What no entry records, so that verification cannot find it when it is changed: table, columns, and why. The guide lists the same."""

UNRECORDED: dict[str, tuple[tuple[str, ...], str]] = {
    "participant_person": (("participant_id", "sex"), "person facts must stay erasable; a birth date shows where an age gate follows from it"),
    "enrolment": (("subject_number",), "the hospital's own number names a child"),
    "episode": (
        ("id", "participant_id", "ordinal", "kind", "diagnosed_on", "disease_group", "genetics"), "clinical facts, corrected as the clinic does",
    ),
    "anchor": (("id", "enrolment_id", "kind", "ordinal", "at", "moment"), "clinical facts, corrected as the clinic does"),
    "dose": (("anchor_id", "product", "units_per_m2", "route"), "clinical facts, corrected as the clinic does"),
    "collection": (("anchor_kind", "anchor_ordinal", "organisation"), "how a draw was planned, not what became of the tube"),
    "specimen": (("ordinal", "siblings"), "how the label counts the tubes of one draw"),
    "request": (("title",), "free text for people"),
    "request_plan": (("reasons",), "why the plan took these tubes; which it took is entered"),
    "verdict": (("id", "on_date", "rules_version", "at"), "facts of a verdict are erasable; the entry keeps its purpose and outcome"),
    "prefix": (("ordinal", "prefix"), "how new codes begin"),
}
# Numbers by which rows are found and which nothing else names.
NUMBERS = {"decision": ("id",), "hold": ("id",), "reservation": ("id",), "request_plan": ("id",), "tree": ("id",)}
# Not about tubes, or the ground on which the site is set up: nothing of them stands in a chain.
OUTSIDE = {
    "organisation", "person", "role_grant", "token", "term", "study_version", "sub_study", "idempotency", "outbox", "print_job",
    "alembic_version",
}
