"""SGD with torch's semantics, and the learning-rate schedules; spec/losses.md 3.4, spec/protocols.md 1.2."""
import math


class SGD:
    """g += decay * p; m = g at first, then momentum * m + g; p -= lr * m. No dampening, no Nesterov.

    parameters: {name: tensor}. A parameter whose gradient is None (never reached by the loss) is left alone entirely:
    no decay, no momentum.
    """

    def __init__(self, parameters, lr, momentum=0.9, weight_decay=5e-4):
        self.parameters, self.lr, self.momentum, self.weight_decay = dict(parameters), lr, momentum, weight_decay
        self.buffers = {}

    def step(self, gradients):
        """In place; gradients: {name: tensor or None}."""
        for name, parameter in self.parameters.items():
            if gradients[name] is None:
                continue
            value = parameter.detach()
            g = gradients[name] + self.weight_decay * value
            self.buffers[name] = g if name not in self.buffers else self.momentum * self.buffers[name] + g
            value -= self.lr * self.buffers[name]


def step_lr(base, epoch, milestones=(150, 180, 210), factor=0.1):
    """The rate of a 1-based epoch: base * factor^(number of milestones that lie before it)."""
    return base * factor ** sum(epoch > m for m in milestones)


def cosine_lr(base, epoch, epochs, offset=0):
    """The rate of a 1-based epoch; offset 1 is DS-SRD's form, which ends at exactly 0 and never starts at base."""
    return base * 0.5 * (1 + math.cos(math.pi * (epoch - 1 + offset) / epochs))
