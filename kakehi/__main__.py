"""The command as a module: `python -m kakehi`."""

from kakehi.pipeline.cli.main import main

if __name__ == "__main__":  # a worker process imports this file too
    main()
