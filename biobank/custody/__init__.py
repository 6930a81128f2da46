"""Acts on tubes: each tube's standing, amounts, holds and reservations."""
