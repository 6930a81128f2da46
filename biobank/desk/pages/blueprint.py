"""The blueprint that all pages of the desk share."""

from biobank.web.blueprint import PageBlueprint

# Named by the capability, so that its templates are found beside it.
pages = PageBlueprint("desk", "biobank.desk")
