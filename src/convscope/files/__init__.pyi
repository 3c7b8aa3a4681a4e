# What other rooms may use of this one.
from . import images as images
from . import pictures as pictures
from .atomic import TEMPORARY as TEMPORARY
from .atomic import read_json as read_json
from .atomic import write_file as write_file
from .atomic import write_folder as write_folder
from .atomic import write_json as write_json
from .atomic import write_text as write_text
from .encoding import encoded as encoded
from .encoding import preview as preview
from .images import decoded as decoded
from .images import digest as digest
from .images import open_image as open_image
from .images import thumbnail as thumbnail
from .pictures import check_writable as check_writable
from .pictures import save_pictures as save_pictures
from .walk import photographs as photographs
