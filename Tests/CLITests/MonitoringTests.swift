import Glibc
import ShardKit
import TestKit
import Testing
import TrainerCore

/// `Operations/monitoring`: what it says of a run must be true of a real one, seen by a real Prometheus.
@Suite(.needs(PrometheusServer.isInstalled, "needs prometheus, prometheus-alertmanager and prometheus-node-exporter"))
struct MonitoringTests {
  private static let dashboard = PrometheusServer.files + "/dashboard.json"
  private static let grafana = PeerScript("grafana_dashboard.py")

  private static func promtool(_ arguments: String) throws -> ChildProcess.Result {
    try ChildProcess(["-c", "cd '\(PrometheusServer.files)' && promtool \(arguments)"], program: "/bin/bash").wait()
  }

  @Test func promtoolTakesConfigurationAndRules() throws {
    for arguments in ["check config prometheus.yml", "check rules alerts.yml", "test rules alerts-test.yml"] {
      let result = try Self.promtool(arguments)
      #expect(result.status == 0, "\(arguments): \(result.output)\(result.errors)")
    }
    let routes = try ChildProcess(
      ["check-config", PrometheusServer.files + "/alertmanager.yml"], program: "amtool"
    ).wait()
    #expect(routes.status == 0, "\(routes.output)\(routes.errors)")
    // Every rule has a test in which it fires.
    let rules = try Self.names("alert: ", in: "alerts.yml")
    #expect(rules.count >= 10)
    #expect(try Self.names("alertname: ", in: "alerts-test.yml") == rules)
    // A full disk must not hide that nothing advances.
    let muting = try Self.names("source_matchers: ", in: "alertmanager.yml")
    #expect(muting == [#"['alertname=~"PipelineRunFailed|PipelineRunKilled"']"#])
    #expect(rules.isSuperset(of: ["PipelineRunFailed", "PipelineRunKilled"]))
  }

  private static func names(_ key: String, in file: String) throws -> Set<String> {
    let text = String(decoding: try FileSystem.read("\(PrometheusServer.files)/\(file)"), as: UTF8.self)
    return Set(text.split(separator: "\n").compactMap { Self.rest(of: $0, after: key) })
  }

  private static func rest(of line: Substring, after key: String) -> String? {
    line.firstRange(of: key).map { String(line[$0.upperBound...]) }
  }

  /// Every member of the dashboard is one that Grafana's own classes read and write.
  @Test(.needs(MonitoringTests.grafana.isUsable, "needs Python with grafana-foundation-sdk"))
  func theDashboardIsGrafanas() throws {
    let problems = try #require(Self.grafana.run(Self.dashboard))
    #expect(String(decoding: problems, as: UTF8.self).isEmpty)
  }

  /// Prometheus scrapes a run while it works, understands every expression of the dashboard, and raises the alarm when
  /// the run fails.
  @Test func prometheusScrapesARunAndARuleFires() throws {
    let bench = try Workbench()
    try bench.write("texts/1.jsonl", "no json\n")
    let gate = bench.folder + "/gate"
    let child = try bench.start(
      [
        Workbench.program, "run", "corpus.json", "--jobs", "1", "--metrics-port", "0", "--metrics-linger", "3600",
      ], environment: ["PIPELINE_FAULT": "task.started:1:\(gate)", "PATH": try Self.pathWithGPUs(bench)])
    var prometheus: PrometheusServer?
    try child.atGate(gate) {
      let port = try #require(try MetricsTests.port(of: child))
      let server = try PrometheusServer(scraping: port)
      prometheus = server
      try child.works(until: "a scrape") {
        try server.query(#"pipeline_run_state{state="running"} == 1"#).count == 1
          && server.query("pipeline_gpu_utilization_ratio").count == 2
      }
      #expect(try server.query(#"up{job="pipeline"}"#).map(\.value) == [1])
      #expect(try server.query("pipeline_gpu_temperature_celsius").map(\.value).sorted() == [38, 71])
      #expect(try server.firing().isEmpty)
      try checkExpressions(server)
      try checkText(try Loopback(port: port).get("/metrics").text)
    }
    let server = try #require(prometheus)
    try child.works(until: "the alert") { try server.firing().contains("PipelineRunFailed") }
    #expect(try server.firing() == ["PipelineRunFailed", "PipelineStageFailed"])
    // The critical one is sent; the warning of the same run is held back.
    try child.works(until: "the alert's way to its receiver") {
      try server.received().contains { $0.receiver == "on-call" && $0.alerts == ["PipelineRunFailed"] }
    }
    child.signal(SIGINT)
    #expect(try child.wait().status == 1)
  }

  /// A program in place of `nvidia-smi` that prints what the real one printed on a machine with two H200.
  private static func pathWithGPUs(_ bench: Workbench) throws -> String {
    try bench.write(
      "bin/nvidia-smi",
      """
      #!/bin/sh
      echo '0, NVIDIA H200, 0, 0, 143771, 38, 79.11'
      echo '1, NVIDIA H200, 97, 120013, 143771, 71, 688.20'
      """)
    #expect(chmod(bench.folder + "/bin/nvidia-smi", 0o755) == 0)
    return "\(bench.folder)/bin:" + (getenv("PATH").map { String(cString: $0) } ?? "")
  }

  private func checkExpressions(_ server: PrometheusServer) throws {
    var seen = 0
    let json = try JSONValue.parse(try FileSystem.read(Self.dashboard)).value
    for panel in json["panels"]?.array ?? [] {
      for target in panel["targets"]?.array ?? [] {
        let expression = try #require(target["expr"]?.string)
          .replacing("$instance", with: ".*").replacing("$pipeline", with: ".*")
        #expect(!expression.contains("$"), "\(expression)")
        // Stages of two pipelines may have one name.
        #expect(!expression.contains("sum by (stage"), "\(expression)")
        let legend = target["legendFormat"]?.string ?? ""
        #expect(!legend.contains("{{stage}}") || legend.contains("{{pipeline}}"), "\(legend)")
        #expect(throws: Never.self, "\(expression)") { _ = try server.query(expression) }
        seen += 1
      }
    }
    #expect(seen > 30)
    let instances = try server.query("count by (instance) (pipeline_run_info)")
    #expect(instances.count == 1, "the dashboard's variables")
  }

  /// Dashboard and rules name metrics that are exported, and all of them but a few are looked at.
  private func checkText(_ text: String) throws {
    var metrics = StepMetrics(step: 1, loss: 1, learningRate: 1, gradientNorm: 1)
    metrics.tokensPerSecond = 1
    metrics.modelFLOPsUtilization = 1
    metrics.secondsRemaining = 1
    let end = ["pipeline_run_end_timestamp_seconds", "pipeline_stage_dropped_documents"]
    let exported = Self.metricNames(text + PrometheusText.text(metrics)).union(end).union(Self.whenAStageIsDone)
    var used: Set<String> = []
    for file in ["dashboard.json", "alerts.yml"] {
      used.formUnion(
        Self.metricNames(String(decoding: try FileSystem.read("\(PrometheusServer.files)/\(file)"), as: UTF8.self)))
    }
    #expect(used.subtracting(exported).isEmpty, "not exported: \(used.subtracting(exported).sorted())")
    #expect(used.count > 35)
  }

  /// These come with the first finished stage; `MetricsTests` see them.
  private static let whenAStageIsDone: Set = [
    "pipeline_stage_duration_seconds", "pipeline_stage_ledger_documents", "pipeline_stage_ledger_bytes",
  ]

  private static func metricNames(_ text: String) -> Set<String> {
    Set(text.matches(of: #/\bpipeline_[a-z_]+/#).map { String($0.0) })
  }

  /// node_exporter takes the file next to what it exports itself, also after the run was killed: until the next one.
  @Test func nodeExporterTakesTheFile() throws {
    let bench = try Workbench()
    try FileSystem.makeDirectory(bench.folder + "/node")
    let port = try freePort()
    let exporter = try ChildProcess(
      [
        "--collector.textfile.directory=\(bench.folder)/node", "--web.listen-address=127.0.0.1:\(port)",
        "--log.level=error",
      ], program: "prometheus-node-exporter")
    defer {
      exporter.signal(SIGKILL)
      _ = try? exporter.wait()
    }
    func exported(_ sample: String) throws -> Double? {
      guard let text = try? Loopback(port: port).get("/metrics").text else { return nil }
      #expect(try #require(MetricsTests.value("node_textfile_scrape_error", in: text)) == 0)
      return MetricsTests.value(sample, in: text)
    }
    let running = #"pipeline_run_state{pipeline="corpus",state="running"}"#
    let updated = #"pipeline_run_update_timestamp_seconds{pipeline="corpus"}"#
    let gate = bench.folder + "/gate"
    let child = try bench.start(
      [Workbench.program, "run", "corpus.json", "--metrics", "node/run.prom"],
      environment: ["PIPELINE_FAULT": "task.started:1:\(gate)"])
    try child.works(until: "the file") { try exported(running) == 1 }
    child.signal(SIGKILL)
    _ = try child.wait()
    let last = try exported(updated)
    #expect(last != nil)
    #expect(try exported(running) == 1)
    #expect(try exported(updated) == last, "a file that is no longer replaced is what the alert sees")
    #expect(try bench.run("run", "corpus.json", "--metrics", "node/run.prom").status == 0)
    #expect(try exported(running) == 0)
    #expect(try exported(#"pipeline_run_state{pipeline="corpus",state="done"}"#) == 1)
  }

  /// What promtool says of a whole text, with the figures of a training in it.
  @Test func promtoolTakesTheMetrics() throws {
    let bench = try Workbench()
    #expect(try bench.run("run", "corpus.json", "--metrics", "run.prom").status == 0)
    var metrics = StepMetrics(step: 3, loss: .nan, learningRate: 5e-5, gradientNorm: .infinity, tokens: 1 << 40)
    metrics.others = [.init("metrics/eval/MaskedAccuracy", 0.5)]
    try bench.write("training.prom", PrometheusText.text(metrics, labels: [("stage", "a \"b\" \\ c\n")]))
    for file in ["run.prom", "training.prom"] {
      let result = try bench.shell("promtool check metrics < \(file)")
      #expect(result.status == 0, "\(file): \(result.out)\(result.err)")
    }
  }
}
