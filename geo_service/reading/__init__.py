"""What runs in the reading process: bytes in, rows of text cells out.

`geo_service.readers` starts `child`, which hands the file to the module of its kind. These
modules use the standard library and one another only, so that the process starts in some
50 ms and its memory is the file's; importing them elsewhere is for tests.
"""
