import ShardKit
import Testing

/// The rules of CloudWatch's embedded metric format, as its specification states them.
enum EmbeddedMetricFormat {
  private static let units: Set = [
    "Seconds", "Microseconds", "Milliseconds", "Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes", "Bits",
    "Kilobits", "Megabits", "Gigabits", "Terabits", "Percent", "Count", "Bytes/Second", "Kilobytes/Second",
    "Megabytes/Second", "Gigabytes/Second", "Terabytes/Second", "Bits/Second", "Kilobits/Second", "Megabits/Second",
    "Gigabits/Second", "Terabits/Second", "Count/Second", "None",
  ]

  /// A log event: JSON whose root has `_aws` and all that it refers to, at most 256 KiB.
  static func check(_ line: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
    func must(_ condition: Bool, _ what: String) {
      #expect(condition, "\(what): \(line.prefix(300))", sourceLocation: sourceLocation)
    }
    must(line.utf8.count <= 256 << 10, "too long")
    let root = try JSONValue.parse(line).value
    let keys = try #require(root.members).map(\.key)
    must(Set(keys).count == keys.count, "a key twice")
    let aws = try #require(root["_aws"])
    must((aws["Timestamp"]?.integer ?? 0) > 1_600_000_000_000, "milliseconds since 1970")
    let directives = try #require(aws["CloudWatchMetrics"]?.array)
    must(!directives.isEmpty, "no directive")
    for directive in directives {
      must((1...1024).contains(directive["Namespace"]?.string?.count ?? 0), "Namespace")
      for set in try #require(directive["Dimensions"]?.array) {
        let names = try #require(set.array).map { $0.string ?? "" }
        must(names.count <= 30 && Set(names).count == names.count, "dimensions")
        for name in names {
          let value = root[name]?.string ?? ""
          must((1...250).contains(name.count) && (1...1024).contains(value.count), "dimension '\(name)'")
          must(value.utf8.allSatisfy { (0x20..<0x7F).contains($0) }, "dimension '\(name)'")
        }
      }
      let metrics = try #require(directive["Metrics"]?.array)
      must((1...100).contains(metrics.count), "\(metrics.count) metrics")
      for metric in metrics {
        let name = metric["Name"]?.string ?? ""
        must((1...255).contains(name.count), "Name")
        must(units.contains(metric["Unit"]?.string ?? "None"), "Unit of \(name)")
        must(root[name]?.double?.isFinite == true, "value of \(name)")
      }
    }
  }
}
