"""How fast detection is, by stage and end to end: ours and peers, on the same pictures, by turns."""
