"""Records, one reader per dataset, image and video decoding, crops, pairs and the renderer.

Readers convert every dataset's conventions to the records' own at the door.
"""
