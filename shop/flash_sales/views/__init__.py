"""Pages of a flash sale. Those for the crowd touch no session, and the database once a second."""
