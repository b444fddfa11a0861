"""Is it ready, is it alive? One kind of question a file; none of them makes the supervisor wait."""
