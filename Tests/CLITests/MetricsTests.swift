import Glibc
import ShardKit
import TestKit
import Testing

@testable import pipeline_cli

/// `pipeline run --metrics…`: what a run exports while it works, to whom.
@Suite struct MetricsTests {
  /// Starts a run and stops it at a fault point, with its port open.
  static func run(
    _ bench: Workbench, at point: String, _ arguments: [String] = [], _ body: (Loopback, ChildProcess) throws -> Void
  ) throws -> ChildProcess.Result {
    let gate = bench.folder + "/gate"
    let child = try bench.start(
      [Workbench.program, "run", "corpus.json", "--jobs", "1", "--metrics-port", "0"] + arguments,
      environment: ["PIPELINE_FAULT": "\(point):\(gate)"])
    try child.atGate(gate) { try body(Loopback(port: try #require(try port(of: child))), child) }
    return try child.wait()
  }

  /// The port that the run says on standard error; nil before it does.
  static func port(of child: ChildProcess) throws -> Int? {
    let line = try child.errorsSoFar().split(separator: "\n").first { $0.hasPrefix("metrics: http://") } ?? ""
    return line.split(separator: ":").last.flatMap { Int($0.prefix { $0.isNumber }) }
  }

  /// The value of a sample, by its line up to the value.
  static func value(_ name: String, in text: String) -> Double? {
    text.split(separator: "\n").first { $0.hasPrefix(name + " ") }.flatMap { Double($0.dropFirst(name.count + 1)) }
  }

  @Test func theFileHasTheEndOfTheRun() throws {
    let bench = try Workbench()
    let outcome = try bench.run("run", "corpus.json", "--metrics", "node/run.prom")
    #expect(outcome.status == 1)
    #expect(
      bench.errors(outcome) == [
        "node/run.prom: cannot be written: its folder does not exist. Create it; it is the one that node_exporter's "
          + "--collector.textfile.directory names."
      ])
    try FileSystem.makeDirectory(bench.folder + "/node")
    #expect(try bench.run("run", "corpus.json", "--metrics", "node/run.prom").status == 0)
    let text = String(decoding: try FileSystem.read(bench.folder + "/node/run.prom"), as: UTF8.self)
    #expect(Self.value(#"pipeline_run_state{pipeline="corpus",state="done"}"#, in: text) == 1)
    #expect(Self.value(#"pipeline_run_state{pipeline="corpus",state="running"}"#, in: text) == 0)
    #expect(Self.value(#"pipeline_stages{pipeline="corpus",state="done"}"#, in: text) == 3)
    let clean = #"{pipeline="corpus",stage="clean""#
    #expect(Self.value("pipeline_stage_tasks\(clean),phase=\"run\"}", in: text) == 1)
    #expect(Self.value("pipeline_stage_tasks_done\(clean),phase=\"run\"}", in: text) == 1)
    #expect(Self.value("pipeline_stage_processed_documents_total\(clean)}", in: text) == 4)
    #expect(Self.value("pipeline_stage_ledger_documents\(clean),entry=\"output\"}", in: text) == 3)
    #expect(Self.value("pipeline_stage_dropped_documents\(clean),reason=\"too-short\"}", in: text) == 1)
    #expect(try #require(Self.value(#"pipeline_store_free_bytes{pipeline="corpus"}"#, in: text)) > 0)
    #expect(try #require(Self.value(#"pipeline_process_resident_memory_bytes{pipeline="corpus"}"#, in: text)) > 1e6)
    #expect(try FileSystem.list(bench.folder + "/node") == ["run.prom"], "node_exporter would read other files")
    // node_exporter is another user than this one.
    #expect(try bench.shell("umask 077; '\(Workbench.program)' run corpus.json --metrics node/own.prom").status == 0)
    #expect(try bench.shell("stat -c %a node/own.prom").out == "644\n")
    try FileSystem.remove(bench.folder + "/node/own.prom")
    let proc = try bench.run("run", "corpus.json", "--metrics", "/proc/a.prom")
    #expect(bench.errors(proc).first?.hasPrefix("/proc/a.prom: cannot be written") == true)
    // A run that has nothing to do says so too.
    #expect(try bench.run("run", "corpus.json", "--metrics", "node/run.prom").status == 0)
    let second = String(decoding: try FileSystem.read(bench.folder + "/node/run.prom"), as: UTF8.self)
    #expect(Self.value(#"pipeline_stages{pipeline="corpus",state="fresh"}"#, in: second) == 3)
    #expect(Self.value(#"pipeline_run_info{pipeline="corpus",run="3",version="\#(Product.version)"}"#, in: second) == 1)
  }

  @Test func aFailedRunAndOneThatNeverBeganDiffer() throws {
    let bench = try Workbench()
    try bench.write("texts/1.jsonl", "no json\n")
    #expect(try bench.run("run", "corpus.json", "--metrics", "run.prom").status == 1)
    let failed = try FileSystem.read(bench.folder + "/run.prom")
    let text = String(decoding: failed, as: UTF8.self)
    #expect(Self.value(#"pipeline_run_state{pipeline="corpus",state="failed"}"#, in: text) == 1)
    #expect(Self.value(#"pipeline_stage_state{pipeline="corpus",stage="read",state="failed"}"#, in: text) == 1)
    #expect(Self.value(#"pipeline_stage_state{pipeline="corpus",stage="clean",state="blocked"}"#, in: text) == 1)
    #expect(Self.value(#"pipeline_stage_task_failures_total{pipeline="corpus",stage="read"}"#, in: text) == 1)
    // The store is held by another runner, whose file this may be.
    let lock = open(bench.folder + "/.pipeline/lock", O_RDWR | O_CREAT, 0o644)
    defer { close(lock) }
    #expect(flock(lock, LOCK_EX) == 0)
    #expect(try bench.run("run", "corpus.json", "--metrics", "run.prom").status == 1)
    #expect(try FileSystem.read(bench.folder + "/run.prom") == failed)
  }

  @Test func thePortAnswersWhileTheRunWorks() throws {
    let bench = try Workbench()
    let result = try Self.run(bench, at: "task.files:1") { server, child in
      let answer = try server.get("/metrics")
      #expect(answer.status == "HTTP/1.1 200 OK")
      #expect(answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
      #expect(answer.headers["content-length"] == "\(answer.body.count)")
      #expect(Self.value(#"pipeline_run_state{pipeline="corpus",state="running"}"#, in: answer.text) == 1)
      #expect(Self.value(#"pipeline_stage_tasks{pipeline="corpus",stage="read",phase="run"}"#, in: answer.text) == 1)
      let read = #"{pipeline="corpus",stage="read",phase="run"}"#
      // Running tasks are counted five times per second.
      try child.works(until: "a task that runs") {
        Self.value("pipeline_stage_tasks_running" + read, in: try server.get("/metrics").text) == 1
      }
      #expect(Self.value("pipeline_stage_tasks_done" + read, in: answer.text) == 0)
      #expect(try server.get("/metrics?name%5B%5D=up").status == "HTTP/1.1 200 OK")
      #expect(try server.get("/").status == "HTTP/1.1 200 OK")
      #expect(try server.get("/../etc/passwd").status == "HTTP/1.1 404 Not Found")
      let head = try server.exchange("HEAD /metrics HTTP/1.1\r\n\r\n")
      #expect(head.status == "HTTP/1.1 200 OK" && head.body.isEmpty)
      let post = try server.exchange("POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
      #expect(post.status == "HTTP/1.1 405 Method Not Allowed" && post.headers["allow"] == "GET, HEAD")
      for nonsense in ["\r\n\r\n", "GET\r\n\r\n", "GET  HTTP/1.1\r\n\r\n", "\u{16}\u{3}\u{1}\n\n", "GET / SPDY/9\n\n"] {
        #expect(try server.exchange(nonsense).status == "HTTP/1.1 400 Bad Request", "\(nonsense)")
      }
    }
    #expect(result.status == 0)
  }

  /// Clients that send nothing, half a request, too much, or read nothing: others are served, and the run goes on.
  @Test func hostileClientsHoldUpNobody() throws {
    let bench = try Workbench()
    var sockets: [Int32] = []
    let result = try Self.run(bench, at: "task.files:1") { server, _ in
      for number in 0..<200 {
        let socket = try server.connected()
        sockets.append(socket)
        let texts = ["", "GET /metrics HT", "GET /metrics HTTP/1.1\r\n\r\n"]
        try? Loopback.send(Array(texts[number % 3].utf8), to: socket)
      }
      #expect(try server.get("/metrics").status == "HTTP/1.1 200 OK")
      let long = try server.connected()
      sockets.append(long)
      try? Loopback.send([UInt8](repeating: 0x41, count: 1 << 20), to: long)
      #expect(try server.get("/metrics").status == "HTTP/1.1 200 OK")
    }
    for socket in sockets { close(socket) }
    #expect(result.status == 0)
  }

  @Test func aBusyPortIsToldBeforeAnythingRuns() throws {
    let bench = try Workbench(), other = try Workbench()
    let result = try Self.run(bench, at: "task.files:1") { server, _ in
      let outcome = try other.run("run", "corpus.json", "--metrics-port", "\(server.port)")
      #expect(outcome.status == 1)
      #expect(
        other.errors(outcome) == [
          "--metrics-port: port \(server.port) of 127.0.0.1 is in use by another program, perhaps by another run. "
            + "Choose another port, or 0 for any that is free. Nothing was run."
        ])
      #expect(!FileSystem.exists(other.folder + "/.pipeline/artifacts"))
    }
    #expect(result.status == 0)
    let foreign = try other.run("run", "corpus.json", "--metrics-port", "0", "--metrics-address", "192.0.2.1")
    #expect(other.errors(foreign).first?.contains("cannot be opened: the address is not of this machine") == true)
    let name = try other.run("run", "corpus.json", "--metrics-port", "0", "--metrics-address", "example.org")
    #expect(name.status == 2)
    #expect(other.errors(name).first?.hasPrefix("--metrics-address: 'example.org' is not an IP address.") == true)
    // Some machines have no IPv6.
    if let addresses = try? FileSystem.read("/proc/net/if_inet6"), !addresses.isEmpty {
      let six = try other.run("run", "corpus.json", "--metrics-port", "0", "--metrics-address", "::1")
      #expect(six.status == 0 && six.err.contains("metrics: http://[::1]:"))
    }
  }

  /// What a scraper would miss if the port closed with the run; Ctrl-C ends it.
  @Test func thePortLingersUntilItsEndIsScraped() throws {
    let bench = try Workbench()
    let child = try bench.start([
      Workbench.program, "run", "corpus.json", "--metrics-port", "0", "--metrics-linger", "3600",
    ])
    var text = ""
    try child.works(until: "the end of the run") {
      guard let port = try Self.port(of: child) else { return false }
      text = try Loopback(port: port).get("/metrics").text
      return Self.value(#"pipeline_run_state{pipeline="corpus",state="done"}"#, in: text) == 1
    }
    #expect(Self.value(#"pipeline_run_end_timestamp_seconds{pipeline="corpus"}"#, in: text) != nil)
    child.signal(SIGINT)
    #expect(try child.wait().status == 0)
  }

  /// The rules of CloudWatch's embedded metric format, and that every line is a line of its own.
  @Test func linesAreOfTheEmbeddedMetricFormat() throws {
    let bench = try Workbench()
    #expect(try bench.run("run", "corpus.json", "--metrics-emf", "emf.log").status == 0)
    let once = try FileSystem.read(bench.folder + "/emf.log").count
    #expect(try bench.run("run", "corpus.json", "--metrics-emf", "emf.log").status == 0)
    let text = String(decoding: try FileSystem.read(bench.folder + "/emf.log"), as: UTF8.self)
    #expect(text.utf8.count > once, "lines are appended")
    let lines = text.split(separator: "\n")
    for line in lines { try EmbeddedMetricFormat.check(String(line)) }
    let clean = try lines.map { try JSONValue.parse(String($0)).value }.filter { $0["stage"]?.string == "clean" }
    #expect(clean.contains { $0["pipeline_stage_processed_documents_total"]?.integer == 4 })
    let standard = try bench.run("run", "corpus.json", "--json", "--metrics-emf", "-")
    let events = try standard.out.split(separator: "\n").map { try JSONValue.parse(String($0)).value }
    #expect(events.contains { $0["_aws"] != nil } && events.contains { $0["event"]?.string == "ended" })
    let unwritable = try bench.run("run", "corpus.json", "--metrics-emf", "no/where.log")
    #expect(
      unwritable.status == 1 && bench.errors(unwritable).first?.hasPrefix("no/where.log: cannot be written") == true)
  }

  /// Images of clusters have `nvidia-smi` on machines without GPUs too, where its failure is nothing to be told.
  @Test func noGPUIsNoWarning() throws {
    let bench = try Workbench()
    try bench.write("bin/nvidia-smi", "#!/bin/sh\n: >'\(bench.folder)/asked'\nexit 9\n")
    #expect(chmod(bench.folder + "/bin/nvidia-smi", 0o755) == 0)
    let path = "\(bench.folder)/bin:" + (getenv("PATH").map { String(cString: $0) } ?? "")
    let gate = bench.folder + "/gate"
    let child = try bench.start(
      [Workbench.program, "run", "corpus.json", "--metrics", "run.prom"],
      environment: ["PIPELINE_FAULT": "task.files:1:\(gate)", "PATH": path])
    try child.atGate(gate) {
      try child.works(until: "nvidia-smi is asked") { FileSystem.exists(bench.folder + "/asked") }
      if GPUFigures.hasDevice {
        try child.works(until: "the warning") { try child.errorsSoFar().contains("the GPUs are not among the metrics") }
      }
    }
    let result = try child.wait()
    #expect(result.status == 0)
    #expect(result.errors.contains("GPUs") == GPUFigures.hasDevice, "\(result.errors)")
  }

  /// A pipe without a reader would be waited for before the run; one whose reader sleeps, after it.
  @Test func pipesHoldUpNoRun() throws {
    let bench = try Workbench()
    let path = bench.folder + "/pipe"
    #expect(mkfifo(path, 0o600) == 0)
    let unread = try bench.run("run", "corpus.json", "--metrics-emf", "pipe")
    #expect(unread.status == 1)
    #expect(
      bench.errors(unread) == ["pipe: is a pipe that nobody reads. Start its reader first, or name a file."])
    let reader = open(path, O_RDONLY | O_NONBLOCK), writer = open(path, O_WRONLY | O_NONBLOCK)
    defer { close(reader) }
    let page = [UInt8](repeating: 10, count: 4096)
    while write(writer, page, page.count) > 0 {}
    close(writer)
    let slow = try bench.run("run", "corpus.json", "--metrics-emf", "pipe")
    #expect(slow.status == 0)
    #expect(slow.err.contains("warning: the metrics were not written: pipe: its reader does not read"))
    #expect(!FileSystem.exists(path + ".part"))
  }

  @Test func optionsThatCannotWorkAreRefused() throws {
    let bench = try Workbench()
    func refusal(_ arguments: String...) throws -> String {
      let outcome = try bench.run(["run", "corpus.json"] + arguments)
      #expect(outcome.status == 2)
      return bench.errors(outcome).first ?? outcome.err
    }
    #expect(try refusal("--metrics", "run.txt").contains("--metrics must end in .prom"))
    #expect(try refusal("--metrics-port", "70000").contains("between 0 and 65535"))
    #expect(try refusal("--metrics-linger", "5").contains("need --metrics-port"))
    #expect(try refusal("--metrics-emf", "").contains("--metrics-emf needs the name of a file"))
  }
}
