import ShardKit

/// Metrics as lines of CloudWatch's embedded metric format, which CloudWatch Logs turns into metrics.
///
/// One line per set of labels, which become dimensions beside the machine's name: runs of one pipeline on two machines are
/// two. Moments become ages, since CloudWatch does not know of now.
enum EmbeddedMetrics {
  /// What the format allows.
  static let maximumMetrics = 100
  static let maximumDimensions = 30
  private static let maximumNameCharacters = 255

  /// - Parameters:
  ///   - host: the machine's name.
  ///   - now: seconds since 1970.
  static func lines(_ families: [MetricFamily], namespace: String, host: String, now: Double) -> [String] {
    var order: [[MetricFamily.Label]] = []
    var groups: [[MetricFamily.Label]: [(name: String, unit: String, value: Double)]] = [:]
    for family in families where !family.name.hasSuffix("_info") && !family.name.hasSuffix("_update_timestamp_seconds")
    {
      for sample in family.samples {
        guard let metric = metric(family.name, sample.value, now) else { continue }
        if groups[sample.labels] == nil { order.append(sample.labels) }
        groups[sample.labels, default: []].append(metric)
      }
    }
    return order.flatMap { labels in
      let metrics = groups[labels] ?? []
      return stride(from: 0, to: metrics.count, by: maximumMetrics).map { start in
        line(
          Array(metrics[start..<min(start + maximumMetrics, metrics.count)]), [.init("host", host)] + labels, namespace,
          now)
      }
    }
  }

  /// nil for what CloudWatch does not take: values that are not finite, or beyond its range.
  private static func metric(_ name: String, _ value: Double, _ now: Double) -> (
    name: String, unit: String, value: Double
  )? {
    var name = name, value = value
    let moment = "_timestamp_seconds"
    if name.hasSuffix(moment) {
      name = name.dropLast(moment.count) + "_age_seconds"
      value = max(0, now - value)
    }
    guard value.isFinite, abs(value) < 1e108 else { return nil }
    return (String(name.prefix(maximumNameCharacters)), unit(of: name), value)
  }

  private static func unit(of name: String) -> String {
    if name.hasSuffix("_bytes") || name.hasSuffix("_bytes_total") { return "Bytes" }
    if name.hasSuffix("_per_second") { return "Count/Second" }
    if name.hasSuffix("_seconds") || name.hasSuffix("_seconds_total") { return "Seconds" }
    if name.hasSuffix("_total") { return "Count" }
    return "None"
  }

  private static func line(
    _ metrics: [(name: String, unit: String, value: Double)], _ labels: [MetricFamily.Label], _ namespace: String,
    _ now: Double
  ) -> String {
    let dimensions = labels.prefix(maximumDimensions)
    let directive: JSONValue = [
      "Namespace": .string(namespace), "Dimensions": .list([.strings(dimensions.map(\.name))]),
      "Metrics": .list(metrics.map { ["Name": .string($0.name), "Unit": .string($0.unit)] }),
    ]
    let aws: JSONValue = ["Timestamp": .integer(Int(now * 1000)), "CloudWatchMetrics": .list([directive])]
    var members = [JSONMember("_aws", aws)]
    for label in dimensions { members.append(JSONMember(label.name, .string(dimension(label.value)))) }
    for metric in metrics { members.append(JSONMember(metric.name, number(metric.value))) }
    return JSONValue.object(members).text()
  }

  /// Values of dimensions are not empty, have at most 1024 characters, no control characters, and only ASCII.
  private static func dimension(_ value: String) -> String {
    let ascii = value.unicodeScalars.prefix(1024).map { (0x20..<0x7F).contains($0.value) ? Character($0) : "?" }
    let text = String(ascii)
    return text.allSatisfy { $0 == " " } ? "none" : text
  }

  private static func number(_ value: Double) -> JSONValue {
    Int(exactly: value).map { .integer($0) } ?? .number(value)
  }
}
