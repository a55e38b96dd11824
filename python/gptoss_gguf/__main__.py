"""`python -m gptoss_gguf` is `gptoss`."""

import sys

from gptoss_gguf.cli import main

sys.exit(main())
