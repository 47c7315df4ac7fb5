"""What mails to shoppers say: facts in, words out. Pure, in whatever language is active."""
