from app.policy.rates import GuessBlock, Rate, RateBook


def test_a_whole_allowance_can_be_spent_at_once_and_the_next_is_refused_with_a_time() -> None:
    book = RateBook(Rate(3, 60.0))
    assert [book.ask("key", 100.0).remaining for _ in range(3)] == [2, 1, 0]
    refused = book.ask("key", 100.0)
    assert not refused.allowed
    assert 19.9 < refused.retry_after_s <= 20.0


def test_waiting_as_long_as_told_is_enough_and_shorter_is_not() -> None:
    book = RateBook(Rate(3, 60.0))
    for _ in range(3):
        book.ask("key", 0.0)
    wait_s = book.ask("key", 0.0).retry_after_s
    assert not book.ask("key", wait_s - 1.0).allowed
    assert book.ask("key", wait_s + 1e-6).allowed


def test_one_subject_does_not_spend_the_allowance_of_another() -> None:
    book = RateBook(Rate(1, 60.0))
    assert book.ask("a", 0.0).allowed
    assert book.ask("b", 0.0).allowed
    assert not book.ask("a", 0.0).allowed


def test_memory_is_bounded_and_the_longest_unseen_is_forgotten_first() -> None:
    book = RateBook(Rate(1, 60.0), max_subjects=2)
    for subject in ("a", "b", "c"):
        book.ask(subject, 0.0)
    assert book.ask("a", 0.0).allowed
    assert not book.ask("c", 0.0).allowed


def test_no_window_of_any_place_lets_more_than_twice_the_count_through() -> None:
    book = RateBook(Rate(10, 10.0))
    passed = [now / 10 for now in range(1000) if book.ask("key", now / 10).allowed]
    assert all(sum(start <= at < start + 10 for at in passed) <= 20 for start in passed)
    assert len(passed) >= 100


def test_the_fifth_wrong_key_blocks_and_each_block_is_twice_as_long() -> None:
    block = GuessBlock()
    now = 0.0
    lengths = []
    for _ in range(3):
        for _ in range(4):
            assert block.wrong_key("10.0.0.1", now) == 0
        lengths.append(block.wrong_key("10.0.0.1", now))
        now += lengths[-1]
        assert block.blocked_for_s("10.0.0.1", now) == 0
    assert lengths == [900, 1800, 3600]
    assert block.blocked_for_s("10.0.0.2", 0.0) == 0


def test_wrong_keys_far_apart_do_not_block() -> None:
    block = GuessBlock()
    assert all(block.wrong_key("10.0.0.1", minute * 61.0) == 0 for minute in range(50))


def test_a_block_never_grows_beyond_a_day() -> None:
    block = GuessBlock()
    now = 0.0
    for _ in range(20):
        for _ in range(5):
            left = block.wrong_key("10.0.0.1", now)
        assert left <= 86_400
        now += left
