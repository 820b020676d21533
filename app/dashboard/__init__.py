"""The page's files: plain HTML, CSS and JavaScript, served by `app/api/page.py`."""
