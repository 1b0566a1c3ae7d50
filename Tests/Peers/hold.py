"""How a server falls silent behind so many requests until a test says that it may go on, so that who is killed is at work."""
import os
import threading


def fixed_port(number):
    """With PIPELINE_FIRST_PORT in the environment the port so many behind it, so that addresses in artifacts are the
    same in each run; else 0, any that is free."""
    first = int(os.environ.get("PIPELINE_FIRST_PORT", 0))
    return first and first + number


class Hold:
    USAGE = """
  POST /-/hold     {"after": 3, "match": "GET /a", "inside": false}   so many requests whose first line holds `match` pass;
                   those behind them wait, or get half of their answer (inside)
  POST /-/release  {"answers": true}                   what waits goes on, or ends without its answer
  GET  /-/held     how many wait
"""

    def __init__(self):
        self.changed = threading.Condition()
        self.match, self.left, self.place, self.held, self.answers = "", None, None, 0, True

    def control(self, name, order):
        """Carries an order out; None where the name is none of these."""
        if name == "hold":
            with self.changed:
                self.match, self.left = order.get("match", ""), order["after"]
                self.place = "inside" if order.get("inside") else "before"
        elif name == "release":
            with self.changed:
                self.left, self.answers = None, order.get("answers", True)
                self.changed.notify_all()
                self.changed.wait_for(lambda: self.held == 0)
        elif name != "held":
            return None
        return {"held": self.held}

    def takes(self, request):
        """Where this request is to wait: None, "before" its answer or "inside" it."""
        with self.changed:
            if self.left is None or self.match not in request:
                return None
            self.left -= 1
            return self.place if self.left < 0 else None

    def passes(self):
        """Waits for the release; false where the request is to have no answer."""
        with self.changed:
            self.held += 1
            self.changed.wait_for(lambda: self.left is None)
            self.held -= 1
            self.changed.notify_all()
            return self.answers
