//! The source of each version of the vfio_ap driver: the commits that a scenario cites.

pub(super) const V5_3: &str = "commit ec89b55e3bce, v5.3 to v5.10";
pub(super) const V5_15: &str = "commits 1e753732bda6 and 86956e70761b, v5.15 to v5.18";
pub(super) const V5_19: &str = "commit 421cfe6596f6, v5.19";
pub(super) const P15: &str = "versions 13 to 16 of \"s390/vfio-ap: dynamic configuration \
                              support\", T. Krowiak, 2021; H. Pasic on version 15, 2021-04-08";
pub(super) const P17: &str = "\"[PATCH v17 00/15] s390/vfio-ap: dynamic configuration support\", \
                              T. Krowiak, October 2021";
pub(super) const V6_0: &str = "commits 034921cdea1c to eeb386aeb5b7 and 1918f2b20c3d, v6.0";
pub(super) const V6_2: &str = "commits 2b48f52f2bff and 08866d34c709, v6.2";
pub(super) const V6_4: &str = "commits 62414d901c3a, 0daf9878a799 and 3ba41768105c, v6.4";
pub(super) const V6_6: &str = "commit 9261f0438835, v6.6";
pub(super) const V6_8: &str = "commits 9261f0438835, v6.6, and 850fb7fa8c68, 16fb78cbf56e, \
                               f848cba767e5, f009cfa46655 and b9bd10c43456, v6.8";
pub(super) const V6_15: &str = "commits 07d89045bffe and cbf367d5b0aa, v6.15";
pub(super) const V6_19: &str = "commits 8babcc2b6a75, d38a87d7c064, 46030379f13c and 6917f434fda3, \
                                v6.19";
pub(super) const V2026: &str = "commits bc833a7b1e7f, b1f092d94f62, d50346801b4f, 6b8a02e216f6, \
                                917f509bfb88, bf09b9d7cd78, 7fa61c29850d and dd6f4ef6f8a3, 2026";
