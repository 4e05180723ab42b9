"""Notices: what they say, and how they come to people, by e-mail or webhook, in order, tried again while nobody takes them."""
