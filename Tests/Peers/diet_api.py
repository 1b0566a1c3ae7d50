"""The search of the Diet's minutes as its documentation describes it, over answers kept in a folder."""
import glob, json, urllib.parse

MEETING = ["issueID", "imageKind", "searchObject", "session", "nameOfHouse", "nameOfMeeting", "issue", "date", "closing"]
LISTED = ["speechID", "speechOrder", "speaker", "speechURL"]
LIMITS = {"meeting_list": (30, 100), "meeting": (3, 10), "speech": (30, 100)}


class Minutes:
    """Newest first, as the real one; meetings can be held back and come in while someone pages."""

    def __init__(self, folder):
        meetings = {}
        for path in sorted(glob.glob(folder + "/*.json")):
            with open(path, encoding="utf-8") as file:
                for speech in json.load(file)["speechRecord"]:
                    meetings.setdefault(speech["issueID"], []).append(speech)
        for speeches in meetings.values():
            speeches.sort(key=lambda speech: speech["speechOrder"])
        self.meetings = meetings
        self.held, self.every, self.asked = [], 0, 0

    def insert(self, hold=0, every=0, all=False):
        """Holds back each `hold`th meeting; one comes in with each `every`th question, or all at once."""
        if hold:
            names = sorted(self.meetings)
            self.held = [(name, self.meetings.pop(name)) for name in names[::hold]]
        if every:
            self.every = every
        if all:
            self.meetings.update(self.held)
            self.held = []

    def change(self, name):
        """A revision: the last speech of the meeting gets another text and one more speech follows."""
        last = self.meetings[name][-1]
        last["speech"] += "（訂正）"
        last["updateTime"] = "2030-01-01T00:00:00"
        order = last["speechOrder"] + 1
        self.meetings[name].append(dict(last, speechOrder=order, speechID=f"{name}_{order:03d}", speech="追加した発言"))

    def summary(self):
        return {
            "meetings": sorted(self.meetings), "held": [name for name, _ in self.held],
            "speeches": sum(map(len, self.meetings.values())),
        }

    def answer(self, target):
        self.asked += 1
        if self.held and self.every and self.asked % self.every == 0:
            name, speeches = self.held.pop()
            self.meetings[name] = speeches
        url = urllib.parse.urlsplit(target)
        query = dict(urllib.parse.parse_qsl(url.query))
        kind = url.path.split("/")[-1]
        if kind not in LIMITS or query.get("recordPacking") != "json":
            return self.problem("19011", "検索条件の入力に誤りがあります。")
        usual, most = LIMITS[kind]
        count, start = int(query.get("maximumRecords", usual)), int(query.get("startRecord", 1))
        if not 1 <= count <= most:
            return self.problem("19013", "maximumRecords")
        records = [
            speeches for name, speeches in self.meetings.items()
            if query.get("issueID", name) == name
            and query.get("from", "") <= speeches[0]["date"] <= query.get("until", "9")
        ]
        records.sort(key=lambda speeches: (speeches[0]["date"], speeches[0]["issueID"]), reverse=True)
        if kind == "speech":
            records = [speech for speeches in records for speech in speeches]
        page = records[start - 1:start - 1 + count]
        following = start + len(page)
        out = {"numberOfRecords": len(records), "numberOfReturn": len(page), "startRecord": start}
        if following <= len(records):
            out["nextRecordPosition"] = following
        key = "speechRecord" if kind == "speech" else "meetingRecord"
        out[key] = page if kind == "speech" else [self.meeting(speeches, kind) for speeches in page]
        return {"headers": {"Content-Type": "application/json; charset=utf-8"}, "body": json.dumps(out, ensure_ascii=False)}

    @staticmethod
    def meeting(speeches, kind):
        record = {key: speeches[0].get(key) for key in MEETING}
        for speech in speeches:
            record.setdefault("speechRecord", []).append(
                {key: speech.get(key) for key in (LISTED if kind == "meeting_list" else sorted(set(speech) - set(MEETING)))})
        return record

    @staticmethod
    def problem(code, message):
        return {"status": 400, "body": json.dumps({"message": f"{code}: {message}", "details": []}, ensure_ascii=False)}
