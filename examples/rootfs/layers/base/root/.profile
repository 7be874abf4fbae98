export PS1="(throw-away) # "
