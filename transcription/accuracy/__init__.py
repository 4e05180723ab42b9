"""How right the text is: what people corrected, and reference clips that are played to the server again and again."""
