"""What keeps the operator turning: watches fill the world, changes wake owners, one worker per object reconciles."""
