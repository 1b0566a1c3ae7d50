import Glibc
@testable import PipelineKit
import ShardKit
import TestKit
import Testing

@testable import pipeline_cli

/// What the events of a run become, where a real run does not show it at will.
@Suite struct RunMetricsTests {
  private func progress(documents: Int, running: Int = 1, text: String? = nil, file: String? = nil) -> RunEvent {
    let statuses = text.map { [TaskStatus(fraction: 0.5, text: $0, metricsFile: file)] } ?? []
    return .progress([
      StageProgress(
        stage: "a", phase: "run", tasksDone: 0, tasks: 2, running: running, documents: documents, bytes: 0,
        totalBytes: 0, milliseconds: 1, statuses: statuses)
    ])
  }

  private func begun() -> RunMetrics {
    var metrics = RunMetrics(pipeline: "p")
    metrics.handle(.began(run: 7, stages: ["a", "b"]), now: 100)
    metrics.handle(.judged(stage: "a", .run([])), now: 100)
    metrics.handle(.phaseBegan(stage: "a", phase: "run", tasks: 2, kept: 0), now: 100)
    return metrics
  }

  private func value(_ name: String, _ metrics: RunMetrics, _ labels: [String: String] = [:]) -> Double? {
    metrics.families(now: 1000).first { $0.name == name }?.samples.first { sample in
      labels.allSatisfy { label in sample.labels.contains { $0.name == label.key && $0.value == label.value } }
    }?.value
  }

  /// A counter that fell would be a restart to Prometheus.
  @Test func anAttemptThatFailsTakesNoDocumentsFromTheCounter() {
    var metrics = begun()
    let name = "pipeline_stage_processed_documents_total"
    metrics.handle(progress(documents: 500), now: 101)
    metrics.handle(
      .taskRetried(stage: "a", phase: "run", key: "0", attempt: 1, message: "", delaySeconds: 1), now: 102)
    metrics.handle(progress(documents: 20), now: 103)
    #expect(value(name, metrics) == 500)
    #expect(value("pipeline_stage_task_retries_total", metrics) == 1)
    #expect(value("pipeline_stage_task_failures_total", metrics) == 1)
    metrics.handle(progress(documents: 510), now: 104)
    #expect(value(name, metrics) == 510)
    // The next phase counts on.
    metrics.handle(.phaseBegan(stage: "a", phase: "second", tasks: 1, kept: 0), now: 105)
    metrics.handle(
      .progress([
        StageProgress(
          stage: "a", phase: "second", tasksDone: 0, tasks: 1, running: 1, documents: 5, bytes: 0, totalBytes: 0,
          milliseconds: 1)
      ]), now: 106)
    #expect(value(name, metrics) == 515)
  }

  @Test func progressIsWhatAdvances() {
    var metrics = begun()
    let name = "pipeline_run_progress_timestamp_seconds"
    metrics.handle(progress(documents: 1), now: 200)
    metrics.handle(progress(documents: 1), now: 300)
    #expect(value(name, metrics) == 200)
    metrics.handle(progress(documents: 1, text: "step 1"), now: 400)
    metrics.handle(progress(documents: 1, text: "step 1"), now: 500)
    #expect(value(name, metrics) == 400)
    metrics.handle(
      .taskRetried(stage: "a", phase: "run", key: "0", attempt: 1, message: "", delaySeconds: 1), now: 600)
    #expect(value(name, metrics) == 400, "a task that fails again and again is no progress")
  }

  @Test func whatWorkedWhenARunEndsIsStopped() {
    var metrics = begun()
    metrics.handle(progress(documents: 1, running: 2), now: 101)
    #expect(value("pipeline_stage_tasks_running", metrics) == 2)
    metrics.handle(.ended(.interrupted), now: 102)
    #expect(value("pipeline_stage_tasks_running", metrics) == 0)
    #expect(value("pipeline_run_state", metrics, ["state": "interrupted"]) == 1)
    #expect(value("pipeline_stage_state", metrics, ["stage": "a", "state": "stopped"]) == 1)
    #expect(value("pipeline_stage_state", metrics, ["stage": "b", "state": "waiting"]) == 1)
    #expect(value("pipeline_run_end_timestamp_seconds", metrics) == 102)
    #expect(RunMetrics(pipeline: "p").families(now: 0).isEmpty, "nothing before the run has begun")
  }

  @Test func trainingsOfSeveralStagesBecomeOneFamily() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let text =
      "# HELP pipeline_training_loss Loss.\n# TYPE pipeline_training_loss gauge\npipeline_training_loss 2.5\nx{ 1\n"
    try FileSystem.write(Array(text.utf8), to: folder + "/a.prom")
    var metrics = begun()
    metrics.handle(
      .progress(
        ["a", "b"].map { stage in
          StageProgress(
            stage: stage, phase: "run", tasksDone: 0, tasks: 1, running: 1, documents: 0, bytes: 0, totalBytes: 0,
            milliseconds: 1,
            statuses: [TaskStatus(fraction: 0, text: "", metricsFile: folder + "/a.prom")])
        }), now: 101)
    let families = TrainingFigures.families(metrics)
    #expect(families.map(\.name) == ["pipeline_trainings", "pipeline_training_loss"])
    #expect(families[1].samples == ["a", "b"].map { .init(2.5, [.init("stage", $0)]) })
    metrics.handle(progress(documents: 1, text: "", file: "\(folder)/gone.prom"), now: 102)
    #expect(TrainingFigures.families(metrics).count == 2, "b's alone")
  }

  /// As `nvidia-smi` printed it on an H200, and with what it says of devices that lack a sensor.
  @Test func gpusAreReadAsTheyAreReported() {
    let figures = GPUFigures(
      "0, NVIDIA H200, 3, 512, 143771, 42, 79.11\n1, Tesla T4, [N/A], [N/A], 15360, 33, [N/A]\nx\n")
    #expect(
      figures.gpus == [
        .init(
          index: 0, name: "NVIDIA H200", utilization: 0.03, memoryUsedBytes: 536_870_912,
          memoryBytes: 150_754_820_096, celsius: 42, watts: 79.11),
        .init(index: 1, name: "Tesla T4", memoryBytes: 16_106_127_360, celsius: 33),
      ])
    #expect(figures.families.first?.samples.count == 1)
    #expect(GPUFigures("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n").gpus.isEmpty)
  }

  /// More metrics than a line may have, and values that CloudWatch does not take.
  @Test func linesKeepToTheLimits() throws {
    let labels = (0..<40).map { MetricFamily.Label("l\($0)", "値\n") }
    var families = (0..<250).map { MetricFamily("m\($0)_bytes", "", .gauge, [.init(Double($0), labels)]) }
    families.append(MetricFamily("nan", "", .gauge, [.init(.nan, labels), .init(.infinity, [.init("a", "")])]))
    families.append(MetricFamily("x_timestamp_seconds", "", .gauge, [.init(90)]))
    let lines = EmbeddedMetrics.lines(families, namespace: "pipeline", host: "a", now: 1_700_000_000)
    #expect(lines.count == 4)
    for line in lines { try EmbeddedMetricFormat.check(line) }
    let last = try JSONValue.parse(lines[3]).value
    #expect(last["x_age_seconds"]?.integer == 1_699_999_910)
    #expect(last["host"] == "a", "runs of two machines are two")
  }

  /// As logrotate moves a file away. What a pipe does not take is lost, but never a part of a line.
  @Test func linesFollowTheirNameAndAreWhole() throws {
    let folder = temporaryDirectory()
    defer { try? FileSystem.removeTree(folder) }
    let path = folder + "/a.emf"
    let lines = try AppendedLines(path)
    try lines.append(["one"])
    try FileSystem.rename(path, to: path + ".1")
    try lines.append(["two"])
    #expect(try FileSystem.read(path) == Array("two\n".utf8) && FileSystem.read(path + ".1") == Array("one\n".utf8))
    let pipe = folder + "/pipe"
    #expect(mkfifo(pipe, 0o600) == 0)
    let reader = open(pipe, O_RDONLY | O_NONBLOCK)
    defer { close(reader) }
    let slow = try AppendedLines(pipe)
    let long = String(repeating: "x", count: 1 << 20)
    let stalled = #expect(throws: ShardError.self) { try slow.append(["first", long, "lost"]) }
    #expect(stalled?.message.contains("does not read") == true)
    var seen: [UInt8] = []
    var isOver = false
    while !isOver {
      var buffer = [UInt8](repeating: 0, count: 1 << 16)
      let count = read(reader, &buffer, buffer.count)
      if count > 0 { seen += buffer[..<count] }
      // The pipe is empty: the writer goes on with what it has begun.
      guard count <= 0 else { continue }
      isOver = (try? slow.append(["last"])) != nil
    }
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = read(reader, &buffer, buffer.count), count > 0 { seen += buffer[..<count] }
    #expect(String(decoding: seen, as: UTF8.self) == "first\n\(long)\nlast\n")
    #expect(throws: ShardError.self) { _ = try AppendedLines(folder) }
  }

  /// Jobs that wait for a machine, for hours perhaps, do not stand still.
  @Test func aQueueIsNoStandstill() {
    var metrics = begun()
    func waiting(_ queued: Int, _ running: Int) -> RunEvent {
      .progress([
        StageProgress(
          stage: "a", phase: "run", tasksDone: 0, tasks: 2, running: running, queued: queued, documents: 0, bytes: 0,
          totalBytes: 0, milliseconds: 1)
      ])
    }
    let name = "pipeline_run_progress_timestamp_seconds"
    metrics.handle(waiting(2, 0), now: 5000)
    #expect(value(name, metrics) == 5000 && value("pipeline_stage_tasks_queued", metrics) == 2)
    metrics.handle(waiting(1, 1), now: 9000)
    #expect(value(name, metrics) == 5000, "one of them runs, and has shown nothing")
    #expect(value("pipeline_stage_tasks_queued", metrics) == 1)
    metrics.end(.interrupted, now: 9001)
    #expect(value("pipeline_stage_tasks_queued", metrics) == 0)
  }

  @Test func aProgramThatDoesNotEndIsKilled() throws {
    #expect(throws: ShardError.self) { try ChildCommand("sleep", ["1000"], timeoutSeconds: 0.1).run() }
    #expect(throws: ShardError.self) { try ChildCommand("sleep", ["1000"], timeoutSeconds: 1000).run { true } }
    #expect(throws: ShardError.self) { try ChildCommand("there-is-no-such-program", [], timeoutSeconds: 1).run() }
    var command = ChildCommand("sh", ["-c", "yes | head -c 10000000; echo e >&2; exit 3"], timeoutSeconds: 60)
    command.maximumBytes = 1000
    let result = try command.run()
    let background = try ChildCommand("sh", ["-c", "sleep 1000 & echo x"], timeoutSeconds: 1000).run()
    #expect(background.status == 0 && background.output == Array("x\n".utf8))
    #expect(result.status == 3 && result.output.count == 1000 && result.errors == Array("e\n".utf8))
  }
}
