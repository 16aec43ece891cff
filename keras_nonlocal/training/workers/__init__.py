"""Several processes that train one model: who they are, and how one is lost."""
