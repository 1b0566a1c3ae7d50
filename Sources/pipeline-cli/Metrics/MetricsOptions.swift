import ArgumentParser
import PipelineKit
import ShardKit

/// Where a run's metrics go.
struct MetricsOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Keep the run's metrics in a file for the textfile collector of Prometheus' node_exporter.",
      valueName: "file.prom"))
  var metrics: String?

  @Option(
    help: ArgumentHelp(
      "Open a port from which Prometheus scrapes the run's metrics, at /metrics; 0: any free port.",
      valueName: "port"))
  var metricsPort: Int?

  @Option(
    help: ArgumentHelp("The address of that port; others than 127.0.0.1 can be reached from outside.", valueName: "ip"))
  var metricsAddress = "127.0.0.1"

  @Option(
    help: ArgumentHelp(
      "Keep that port open for so long after the run, so that its end is scraped.", valueName: "seconds"))
  var metricsLinger = 0

  @Option(
    help: ArgumentHelp(
      "Append the run's metrics every minute as lines of CloudWatch's embedded metric format; -: standard output.",
      valueName: "file"))
  var metricsEmf: String?

  func validate() throws {
    if let metrics, !metrics.hasSuffix(".prom") {
      throw ValidationError("--metrics must end in .prom, or node_exporter ignores it: '\(metrics)'.")
    }
    if metricsEmf == "" { throw ValidationError("--metrics-emf needs the name of a file, or - for standard output.") }
    if let metricsPort, !(0...65535).contains(metricsPort) {
      throw ValidationError("--metrics-port must be between 0 and 65535, not \(metricsPort).")
    }
    guard (0...3600).contains(metricsLinger) else {
      throw ValidationError("--metrics-linger must be between 0 and 3600 seconds, not \(metricsLinger).")
    }
    guard metricsPort != nil || metricsLinger == 0 && metricsAddress == "127.0.0.1" else {
      throw ValidationError("--metrics-address and --metrics-linger need --metrics-port.")
    }
  }

  /// Opens what is asked for, before the run starts; nil if nothing is.
  /// - Parameter isLocal: whether tasks run on this machine.
  /// - Throws: `RunError` or `ShardError` if a port or a file cannot be opened.
  func exporter(pipeline: String, store: String, isLocal: Bool) throws -> MetricsExporter? {
    guard metrics != nil || metricsPort != nil || metricsEmf != nil else { return nil }
    let exporter = MetricsExporter(pipeline: pipeline, store: store)
    if let metrics { try exporter.write(to: metrics) }
    if let metricsEmf { try exporter.append(to: metricsEmf) }
    if let metricsPort {
      let url = try exporter.open(address: metricsAddress, port: metricsPort)
      Console.standardError("metrics: \(url)\n")
    }
    exporter.start(watchesGPUs: isLocal)
    return exporter
  }
}
