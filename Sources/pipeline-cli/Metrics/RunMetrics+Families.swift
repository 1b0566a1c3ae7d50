import PipelineKit
import ShardKit

/// The metrics of a run and its stages, as they are exported.
extension RunMetrics {
  private typealias Label = MetricFamily.Label
  private typealias Sample = MetricFamily.Sample

  /// Reasons of drops that a stage can show; the documents of others are summed as `other`.
  private static let maximumReasons = 50

  /// Nothing before the run has begun. Every sample has the label `pipeline`.
  /// - Parameter now: seconds since 1970.
  func families(now: Double) -> [MetricFamily] {
    guard let run, let began else { return [] }
    let families =
      runFamilies(run, began, now) + taskFamilies() + documentFamilies()
    return families.map { labeled($0) }
  }

  /// The family with the label `pipeline` on each sample.
  func labeled(_ family: MetricFamily) -> MetricFamily {
    var family = family
    for place in family.samples.indices { family.samples[place].labels.insert(Label("pipeline", pipeline), at: 0) }
    return family
  }

  private func runFamilies(_ run: Int64, _ began: Double, _ now: Double) -> [MetricFamily] {
    let state = outcome?.rawValue ?? "running"
    let info = [Label("run", "\(run)"), Label("version", Product.version)]
    return [
      MetricFamily("pipeline_run_info", "The run's id and the program's version.", .gauge, [Sample(1, info)]),
      MetricFamily("pipeline_run_start_timestamp_seconds", "Start of the run.", .gauge, [Sample(began)]),
      MetricFamily("pipeline_run_end_timestamp_seconds", "End of the run.", .gauge, ended.map { [Sample($0)] } ?? []),
      MetricFamily("pipeline_run_update_timestamp_seconds", "Time of these figures.", .gauge, [Sample(now)]),
      MetricFamily(
        "pipeline_run_progress_timestamp_seconds",
        "When a task, a document or a training step was last seen to be finished, or all tasks to wait in a queue.",
        .gauge,
        [Sample(progressed ?? began)]),
      MetricFamily(
        "pipeline_run_state", "1 for the state of the run, 0 for the others.", .gauge,
        ["running", "done", "failed", "interrupted"].map { Sample($0 == state ? 1 : 0, [Label("state", $0)]) }),
      MetricFamily(
        "pipeline_stages", "Stages of the run by state.", .gauge,
        StageState.allCases.map { state in
          Sample(Double(stages.values.count { $0.state == state }), [Label("state", state.rawValue)])
        }),
      perStage("pipeline_stage_state", "1 for the state of the stage.") {
        [Sample(1, [Label("state", $0.state.rawValue)])]
      },
      perStage("pipeline_stage_duration_seconds", "Time that the stage took in this run, once it is done.") {
        $0.seconds.map { [Sample($0)] } ?? []
      },
    ]
  }

  private func taskFamilies() -> [MetricFamily] {
    [
      perPhase("pipeline_stage_tasks", "Tasks of the phase.") { $0.tasks },
      perPhase("pipeline_stage_tasks_done", "Tasks of the phase that are done, in this run or before.") { $0.done },
      perPhase("pipeline_stage_tasks_kept", "Tasks of the phase that were done before this run.") { $0.kept },
      perPhase("pipeline_stage_tasks_running", "Tasks of the phase that run now.") { $0.running },
      perPhase("pipeline_stage_tasks_queued", "Tasks of the phase that wait for a machine of the cluster.") {
        $0.queued
      },
      counter("pipeline_stage_tasks_completed_total", "Tasks that this run has finished.") { $0.completed },
      counter("pipeline_stage_task_failures_total", "Attempts of tasks that failed.") { $0.failures },
      counter("pipeline_stage_task_retries_total", "Failed attempts after which the task was queued again.") {
        $0.retries
      },
      perStage("pipeline_stage_progress_ratio", "Progress of the tasks that run now, as they report it: 0 to 1.") {
        stage in
        guard !stage.statuses.isEmpty else { return [] }
        return [Sample(stage.statuses.reduce(0) { $0 + $1.fraction } / Double(stage.statuses.count))]
      },
    ]
  }

  private func documentFamilies() -> [MetricFamily] {
    [
      counter("pipeline_stage_processed_documents_total", "Documents that tasks of this run have read.") {
        $0.processed.documents
      },
      counter("pipeline_stage_processed_bytes_total", "Bytes of text that tasks of this run have read.") {
        $0.processed.bytes
      },
      perStage("pipeline_stage_ledger_documents", "Documents of the finished tasks, by entry of the ledger; none: 0.") {
        Self.entries($0.ledger).map { Sample(Double($0.count.documents), [Label("entry", $0.name)]) }
      },
      perStage("pipeline_stage_ledger_bytes", "Bytes of text of the finished tasks, by entry of the ledger; none: 0.") {
        Self.entries($0.ledger).map { Sample(Double($0.count.bytes), [Label("entry", $0.name)]) }
      },
      perStage("pipeline_stage_dropped_documents", "Documents that finished tasks dropped, by reason.") {
        Self.reasons($0.ledger).map { Sample(Double($0.documents), [Label("reason", $0.name)]) }
      },
      perStage("pipeline_stage_warnings", "Warnings of finished tasks.") {
        $0.phases.isEmpty ? [] : [Sample(Double($0.warnings))]
      },
    ]
  }

  private static func entries(_ ledger: Ledger) -> [(name: String, count: Count)] {
    func sum(_ counts: [String: Count]) -> Count { counts.values.reduce(into: Count()) { $0 += $1 } }
    let all = [
      ("input", ledger.input), ("output", ledger.output), ("dropped", sum(ledger.dropped)),
      ("merged", sum(ledger.merged)), ("repeated", sum(ledger.repeated)), ("consumed", ledger.consumed),
    ]
    return all.filter { $0.1 != Count() }
  }

  private static func reasons(_ ledger: Ledger) -> [(name: String, documents: Int)] {
    let sorted = ledger.dropped.sorted { ($1.value.documents, $0.key) < ($0.value.documents, $1.key) }
    let shown = sorted.prefix(maximumReasons).map { (name: $0.key, documents: $0.value.documents) }
    let others = sorted.dropFirst(maximumReasons).reduce(0) { $0 + $1.value.documents }
    return others > 0 ? shown + [("other", others)] : shown
  }

  // MARK: Samples of stages

  private func perStage(
    _ name: String, _ help: String, _ kind: MetricFamily.Kind = .gauge, _ samples: (Stage) -> [Sample]
  ) -> MetricFamily {
    let all = order.flatMap { name in
      samples(stages[name] ?? Stage()).map { Sample($0.value, [Label("stage", name)] + $0.labels) }
    }
    return MetricFamily(name, help, kind, all)
  }

  private func counter(_ name: String, _ help: String, _ value: (Stage) -> Int) -> MetricFamily {
    perStage(name, help, .counter) { $0.phases.isEmpty ? [] : [Sample(Double(value($0)))] }
  }

  private func perPhase(_ name: String, _ help: String, _ value: (Phase) -> Int) -> MetricFamily {
    perStage(name, help) { $0.phases.map { Sample(Double(value($0)), [Label("phase", $0.name)]) } }
  }
}
