"""biobank: residual leukaemia material with a chain of custody that anyone can check."""
