"""For all tests of the library: properties are judged by their result, never by their speed."""

from hypothesis import settings

settings.register_profile("aiortmp", deadline=None)
settings.load_profile("aiortmp")
