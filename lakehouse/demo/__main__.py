"""`python -m lakehouse.demo`."""

import sys

from lakehouse.demo.main import main

sys.exit(main())
