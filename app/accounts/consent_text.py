"""The consent text that a new installation begins with; an operator publishes an own version under People."""

DEFAULT_CONSENT = """\
You are asked to compare responses to questions and to say which one is better. Before you begin, please read what \
is recorded about your work, and what it is used for.

## What is recorded

- Each judgement you give: your choice, how strong it is, the reasons you write, and any earlier version when you \
change it.
- When each task was opened and answered, and how long the page was in use for it.
- Your name, your e-mail address, and when and from which network address you signed in.
- Which version of this text you accepted, and when.

## Under which name

Your judgements are kept under a pseudonym, such as *amber-heron-417*. Whoever reviews or exports judgements sees the \
pseudonym only. The people who administer this installation, and the admins of your projects, can see which pseudonym \
is yours.

## What it is used for

- To measure how far people agree, and how reliable judgements are. This includes yours: some tasks have a known \
answer, and some come again.
- To train and test language models, and to publish results about them. Judgements may be shared for this under \
pseudonyms.

Your judgements are not used to rate you for any other purpose. Please do not write personal data, yours or \
anybody's, into the reasons you give.

## How to leave

Taking part is voluntary. You can stop at any time, and an admin will close your account when you ask. You can also \
ask what is stored about you, and ask for your name and e-mail address to be erased. A model that has already been \
trained on your judgements keeps what it learned from them.

Questions go to the person who invited you.
"""
