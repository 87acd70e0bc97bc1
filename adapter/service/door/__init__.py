"""In: a request, and who sends it. Out: whether it may come in: a session, a permission, a form of our own; and the pages of signing in, by a token, an account or the hospital's provider."""
