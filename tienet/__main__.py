"""`python -m tienet COMMAND` is the same as `tienet COMMAND`."""

from tienet.commands.main import main

if __name__ == "__main__":
    main()
