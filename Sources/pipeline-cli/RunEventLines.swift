import PipelineKit
import ShardKit

/// Writes the events of a run to standard output as JSON, one per line, for monitoring programs.
///
/// Every event has `event` and `time` (milliseconds since 1970). `pipeline run --help` lists the other keys.
final class RunEventLines {
  private var lastProgress = 0

  static let documentation = """
    EVENTS (--json), one object per line, each with "event" and
    "time" (milliseconds since 1970):
      began        run, stages
      judged       stage, verdict (fresh, resume, run, fetch), reasons
      phase        stage, phase, tasks, kept
      task         stage, phase, task, milliseconds, ledger
      retry        stage, phase, task, attempt, message, delaySeconds
      taskFailed   stage, phase, task, message
      stageFailed  stage, message
      sealed       stage, fingerprint, milliseconds, tasks, files, bytes, ledger,
                   warnings, metrics
      fetched      stage, fingerprint, from, files, bytes
      blocked      stage, by
      progress     stages: stage, phase, tasksDone, tasks, running, queued,
                   queueReason, documents, bytes, totalBytes, milliseconds,
                   status
      notice       message: about jobs of a cluster
      interrupted  now
      ended        outcome (done, failed, interrupted)
    """

  func handle(_ event: RunEvent) {
    if case .progress = event {
      guard wallMilliseconds() - lastProgress >= 1000 else { return }
      lastProgress = wallMilliseconds()
    }
    let (name, members) = Self.content(event)
    let head = [JSONMember("event", .string(name)), JSONMember("time", .integer(wallMilliseconds()))]
    Console.standardOutput(JSONValue.object(head + (members.members ?? [])).text() + "\n")
  }

  private static func content(_ event: RunEvent) -> (String, JSONValue) {
    switch event {
    case .began(let run, let stages): ("began", ["run": .integer(Int(run)), "stages": .strings(stages)])
    case .judged(let stage, let verdict):
      (
        "judged",
        ["stage": .string(stage), "verdict": .string(verdict.name), "reasons": .strings(verdict.reasons)]
      )
    case .phaseBegan(let stage, let phase, let tasks, let kept):
      (
        "phase",
        ["stage": .string(stage), "phase": .string(phase), "tasks": .integer(tasks), "kept": .integer(kept)]
      )
    case .taskFinished(let stage, let manifest, let milliseconds):
      (
        "task",
        [
          "stage": .string(stage), "phase": .string(manifest.phase), "task": .string(manifest.key),
          "milliseconds": .integer(milliseconds), "ledger": manifest.ledger.json,
        ]
      )
    case .taskRetried(let stage, let phase, let key, let attempt, let message, let delay):
      (
        "retry",
        [
          "stage": .string(stage), "phase": .string(phase), "task": .string(key), "attempt": .integer(attempt),
          "message": .string(message), "delaySeconds": .number(delay),
        ]
      )
    case .taskFailed(let stage, let phase, let key, let message):
      (
        "taskFailed",
        ["stage": .string(stage), "phase": .string(phase), "task": .string(key), "message": .string(message)]
      )
    case .stageFailed(let stage, let message):
      ("stageFailed", ["stage": .string(stage), "message": .string(message)])
    case .sealed(let stage, let manifest, let milliseconds): ("sealed", sealed(stage, manifest, milliseconds))
    case .fetched(let stage, let manifest, let bytes, let place):
      (
        "fetched",
        [
          "stage": .string(stage), "fingerprint": .string(manifest.fingerprint.hex), "from": .string(place),
          "files": .integer(manifest.files.count), "bytes": .integer(Int(bytes)),
        ]
      )
    case .blocked(let stage, let by): ("blocked", ["stage": .string(stage), "by": .string(by)])
    case .progress(let stages): ("progress", ["stages": .list(stages.map(progress))])
    case .notice(let text): ("notice", ["message": .string(text)])
    case .interrupted(let now): ("interrupted", ["now": .bool(now)])
    case .ended(let outcome): ("ended", ["outcome": .string(outcome.rawValue)])
    }
  }

  private static func sealed(_ stage: String, _ manifest: NodeManifest, _ milliseconds: Int) -> JSONValue {
    let json = manifest.json
    return [
      "stage": .string(stage), "fingerprint": .string(manifest.fingerprint.hex), "milliseconds": .integer(milliseconds),
      "tasks": .integer(manifest.tasks), "files": .integer(manifest.files.count),
      "bytes": .integer(Int(manifest.files.reduce(0) { $0 + $1.bytes })), "ledger": manifest.ledger.json,
      "warnings": json["warnings"] ?? [:], "metrics": json["metrics"] ?? [:],
    ]
  }

  private static func progress(_ stage: StageProgress) -> JSONValue {
    [
      "stage": .string(stage.stage), "phase": .string(stage.phase), "tasksDone": .integer(stage.tasksDone),
      "tasks": .integer(stage.tasks), "running": .integer(stage.running), "queued": .integer(stage.queued),
      "queueReason": .string(stage.queueReason), "documents": .integer(stage.documents),
      "bytes": .integer(stage.bytes), "totalBytes": .integer(stage.totalBytes),
      "milliseconds": .integer(stage.milliseconds),
      "status": .list(
        stage.statuses.map {
          [
            "fraction": .number($0.fraction), "text": .string($0.text),
            "remainingSeconds": $0.remainingSeconds.map { .number($0) } ?? .null,
          ]
        }),
    ]
  }
}
