"""Any sequence of calls, against a model that only remembers what was promised."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from deploy.local.pubsub.backlog import Content, Delivery, RetryPolicy, Window
from deploy.local.pubsub.broker import Broker, DeadLetterPolicy, SubscriptionSettings, TopicSettings

TOPIC, DEAD_TOPIC = "projects/shop/topics/events", "projects/shop/topics/dead"
SUBSCRIPTION, DEAD = "projects/shop/subscriptions/events", "projects/shop/subscriptions/dead"
ATTEMPTS = 5
DEADLINE = 10.0


class AnyUse(RuleBasedStateMachine):
    """Any sequence of calls: nothing lost, nothing after its ack, one lease, order, and an end to attempts."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.published: list[tuple[str, str]] = []  # message id and key, in order
        self.acked: set[str] = set()
        self.dead: list[str] = []
        self.attempts: dict[str, int] = {}
        self.leases: dict[str, tuple[str, float]] = {}  # ack id → message id, deadline
        self.ended: list[str] = []
        self.window = Window(max_messages=7)

    @initialize(ordered=st.booleans(), rest=st.sampled_from([None, 0.0, 3.0]))
    def begin(self, ordered: bool, rest: float | None) -> None:
        self.ordered = ordered
        self.broker = Broker()
        for topic in (TOPIC, DEAD_TOPIC):
            self.broker.create_topic(topic, TopicSettings())
        self.broker.create_subscription(DEAD, SubscriptionSettings(DEAD_TOPIC))
        subscription = SubscriptionSettings(
            TOPIC,
            ordered=ordered,
            retry=None if rest is None else RetryPolicy(rest, 20.0),
            dead_letter=DeadLetterPolicy(DEAD_TOPIC, ATTEMPTS),
        )
        self.broker.create_subscription(SUBSCRIPTION, subscription)

    @rule(keys=st.lists(st.sampled_from(["", "a", "b"]), min_size=1, max_size=4))
    def publish(self, keys: list[str]) -> None:
        number = len(self.published)
        contents = [Content(b"%d" % (number + index), {}, key) for index, key in enumerate(keys)]
        self.published += zip(self.broker.publish(TOPIC, contents, self.now), keys, strict=True)

    @rule(most=st.integers(1, 5))
    def pull(self, most: int) -> None:
        deliveries = self.broker.pull(SUBSCRIPTION, self.now, max_messages=most, max_bytes=1000, window=self.window)
        assert len(deliveries) <= most
        self.note(deliveries)

    def note(self, deliveries: list[Delivery]) -> None:
        self.take_dead_letters()
        for delivery in deliveries:
            message_id = delivery.message.message_id
            assert message_id not in self.acked, "delivered after its ack"
            assert message_id not in self.dead, "delivered after it was given up"
            assert message_id not in self.live(), "two live leases"
            self.attempts[message_id] = self.attempts.get(message_id, 0) + 1
            assert delivery.attempt == self.attempts[message_id] <= ATTEMPTS
            if self.ordered and delivery.message.content.ordering_key:
                assert message_id == self.first_unfinished(delivery.message.content.ordering_key)
            self.leases[delivery.ack_id] = (message_id, self.now + DEADLINE)

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        ack_id = data.draw(st.sampled_from(sorted(self.leases)))
        self.broker.acknowledge(SUBSCRIPTION, self.now, [ack_id])
        self.acked.add(self.leases.pop(ack_id)[0])
        self.ended.append(ack_id)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), seconds=st.sampled_from([0, 0, 1, 30]))
    def modify(self, data: st.DataObject, seconds: int) -> None:
        ack_id = data.draw(st.sampled_from(sorted(self.leases)))
        self.broker.modify_ack_deadline(SUBSCRIPTION, self.now, [ack_id], seconds)
        self.leases[ack_id] = (self.leases[ack_id][0], self.now + seconds)
        self.expire()

    @precondition(lambda self: self.ended)
    @rule(data=st.data(), seconds=st.sampled_from([0, 30]))
    def use_an_id_that_is_over(self, data: st.DataObject, seconds: int) -> None:
        ack_id = data.draw(st.sampled_from(self.ended))
        self.broker.acknowledge(SUBSCRIPTION, self.now, [ack_id])
        self.broker.modify_ack_deadline(SUBSCRIPTION, self.now, [ack_id], seconds)

    @rule(seconds=st.sampled_from([0.5, 1.0, 9.5, 10.0, 40.0]))
    def advance(self, seconds: float) -> None:
        self.now += seconds
        self.expire()

    @rule()
    def advance_to_the_next_change(self) -> None:
        change = self.broker.next_change()
        if change is not None:
            self.now = max(self.now, change)
            self.broker.advance(self.now)
            following = self.broker.next_change()
            assert following is None or following > self.now, "the timer would spin"
            self.expire()

    @invariant()
    def the_window_holds_what_is_leased(self) -> None:
        if hasattr(self, "broker"):
            self.broker.advance(self.now)
            assert self.window.messages == len(self.leases) <= 7

    def teardown(self) -> None:
        """Whatever happened, a patient subscriber ends with everything."""
        if not hasattr(self, "broker"):
            return
        self.window.max_messages = 0
        for _ in range(10 * len(self.published) + 10):
            self.now += 700.0
            self.expire()
            deliveries = self.broker.pull(SUBSCRIPTION, self.now, max_messages=1000, max_bytes=1_000_000)
            self.note(deliveries)
            self.broker.acknowledge(SUBSCRIPTION, self.now, [delivery.ack_id for delivery in deliveries])
            self.acked |= {delivery.message.message_id for delivery in deliveries}
            self.leases.clear()
        self.take_dead_letters()
        finished = sorted([*self.acked, *self.dead])
        assert finished == sorted(message_id for message_id, _ in self.published), "lost, or finished twice"
        assert all(self.attempts[message_id] == ATTEMPTS for message_id in self.dead)

    def expire(self) -> None:
        over = [ack_id for ack_id, (_, deadline) in self.leases.items() if deadline <= self.now]
        for ack_id in over:
            del self.leases[ack_id]
        self.ended += over

    def live(self) -> set[str]:
        return {message_id for message_id, _ in self.leases.values()}

    def first_unfinished(self, key: str) -> str:
        finished = {*self.acked, *self.dead}
        return next(each for each, its_key in self.published if its_key == key and each not in finished)

    def take_dead_letters(self) -> None:
        # The payload is the place in `published`: a dead letter has a message id of its own.
        letters = self.broker.pull(DEAD, self.now, max_messages=1000, max_bytes=1_000_000)
        self.broker.acknowledge(DEAD, self.now, [letter.ack_id for letter in letters])
        self.dead += [self.published[int(letter.message.content.data)][0] for letter in letters]


TestAnyUse = AnyUse.TestCase
TestAnyUse.settings = settings(max_examples=300, stateful_step_count=40, deadline=None, derandomize=True)
