"""Asking for tubes: from a draft through approval, reservation by plan and picking by scan to the handing over."""
