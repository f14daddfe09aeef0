//! The partitions of AWS, which are isolated from each other: the names of their ARNs and endpoints.

use anyhow::bail;

/// A partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Partition {
    /// What the names of its Regions begin with.
    prefix: &'static str,
    /// The second part of its ARNs.
    pub(super) name: &'static str,
    /// What its endpoints end with (`${AWS::URLSuffix}`).
    pub(super) suffix: &'static str,
    /// The Region in which the events of its global services, IAM and Organizations, appear.
    pub(super) global: &'static str,
}

/// All partitions that the AWS command line knows. The commercial one is last, because every Region without another prefix belongs to it.
const PARTITIONS: [Partition; 8] = [
    Partition { prefix: "cn-", name: "aws-cn", suffix: "amazonaws.com.cn", global: "cn-north-1" },
    Partition { prefix: "us-gov-", name: "aws-us-gov", suffix: "amazonaws.com", global: "us-gov-west-1" },
    Partition { prefix: "eusc-", name: "aws-eusc", suffix: "amazonaws.eu", global: "eusc-de-east-1" },
    Partition { prefix: "us-iso-", name: "aws-iso", suffix: "c2s.ic.gov", global: "us-iso-east-1" },
    Partition { prefix: "us-isob-", name: "aws-iso-b", suffix: "sc2s.sgov.gov", global: "us-isob-east-1" },
    Partition { prefix: "eu-isoe-", name: "aws-iso-e", suffix: "cloud.adc-e.uk", global: "eu-isoe-west-1" },
    Partition { prefix: "us-isof-", name: "aws-iso-f", suffix: "csp.hci.ic.gov", global: "us-isof-south-1" },
    Partition { prefix: "", name: "aws", suffix: "amazonaws.com", global: "us-east-1" },
];

impl Partition {
    /// Returns the partition of these Regions, which must all belong to the same one.
    pub(super) fn of(regions: &[String]) -> anyhow::Result<Self> {
        let of = |region: &String| PARTITIONS.into_iter().find(|partition| region.starts_with(partition.prefix));
        let Some(partition) = regions.first().and_then(of) else { bail!("no Region") };
        match regions.iter().find(|region| of(region) != Some(partition)) {
            Some(other) => bail!("{other} is not in the partition {}: an organization is in one partition only", partition.name),
            None => Ok(partition),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(regions: &[&str]) -> anyhow::Result<Partition> {
        Partition::of(&regions.iter().map(|region| (*region).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_region_belongs_to_its_partition() -> anyhow::Result<()> {
        for (region, name, suffix) in [
            ("us-east-1", "aws", "amazonaws.com"),
            ("us-gov-east-1", "aws-us-gov", "amazonaws.com"),
            ("cn-northwest-1", "aws-cn", "amazonaws.com.cn"),
            ("us-isob-east-1", "aws-iso-b", "sc2s.sgov.gov"),
            ("il-central-1", "aws", "amazonaws.com"),
        ] {
            let partition = of(&[region])?;
            assert_eq!((partition.name, partition.suffix), (name, suffix), "{region}");
        }
        assert!(of(&["us-east-1", "cn-north-1"]).is_err() && of(&[]).is_err());
        Ok(())
    }
}
