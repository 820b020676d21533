"""The API's rows by subject: calls become service calls, nouns become answers; no rule lives here."""
