"""What every message to a user must be."""


def assert_one_sentence(message):
    assert "\n" not in message
    assert message.endswith(".")
    assert ". " not in message
