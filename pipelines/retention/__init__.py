"""How long what is kept is kept, how it goes, and what one patient's request to be forgotten takes."""
