"""Where curation stages run: in this process or in guarded workers. It yields results and knows no database."""

from marey.engine.local import local
from marey.engine.run import run
from marey.engine.stage import Result, Stage, stage_key
from marey.engine.workers import workers

__all__ = ["Result", "Stage", "local", "run", "stage_key", "workers"]
