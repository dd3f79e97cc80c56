"""What people do with accounts, one file a subject. Services know no HTTP; `actor_id` is who does the deed."""
