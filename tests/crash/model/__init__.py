"""A stateful model of the channel: random acts on a real instance and on a plain model at once.

reference   the model: what each sender must see; knows nothing of the product
outbox      the answers as their sender remembers them
ground      the instance, and single acts on both
machine     the state machine of hypothesis: sender, operator, sweep, worker, crash
"""
