"""Collection, accession, aliquots and derivatives."""
