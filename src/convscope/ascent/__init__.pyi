# What other rooms may use of this one.
from . import resume_files as resume_files
from .loop import climb as climb
from .recipe import Recipe as Recipe
from .unit_images import BATCH as BATCH
from .unit_images import Subject as Subject
from .unit_images import portraits as portraits
from .unit_images import score as score
