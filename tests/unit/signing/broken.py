"""Moduli of 2048 bits whose factors can be found; each made for these tests, by its fault."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import rsa

ROCA = int(
    "fb9e5a75600330bbaaa352e7da51428bc96965567d68cd546011c0a06e3e3aa102ccfaed03961531ec63d8c92ca979b8"
    "e8b7d38d22e8b6831ede8f5078a33931edf285da3ca95e93bb37785b32c7daa99e44c059d43d14798f1fb5bf03836b37"
    "957df07c9c2365f5fd0d78a0d6b1bdc09d9872321b3079c6cb0408a3764072251829ee4814c52186fb833a2dbdf565b5"
    "19477bff05b70c397d7935bd7a8759a953555ca6238ebfdd0a9b7df944c971d2a5a28f036e5d6b1fb312da9656a88d03"
    "4f075bc31d66e919d28605115b3efa8233d1f0e815d74571142560852c56f227a5e5be8083d185d98fc43fd951c35a5a"
    "f7f7e2b07aeff7ca05af1020e42acc3d",
    16,
)
"""Both primes are a multiple of the product of the first 126 primes, plus a power of 65537."""

CLOSE = int(
    "981e1c839a8be42f4babda7ecf42b72c51b024c5e2dd1b5e61be592f8421ef3055796377ccda4f6aeb47757de14afead"
    "de61915af6ab7c094b3da4c27b5df432f7e7ae6cab62ee8b5d7f9708dd051251e42ebe15eb8323bc6b763a96273ec446"
    "677a3fc0f8b514abed8d4629a85027581b66f859edb2290e6301e6be98f0907899e1cb09bed7f5c196b3e7c6b6b16a41"
    "0ea081bfa76fcdca377a6555c0529b8659c13c4b4518911d302f644434a4e5a7716ce4e7a8c967fb7eef074c9c99aa18"
    "997b7df56711f82a66e98678d8cc060310bb4f79973422d7f4767eeda02ab7593ddd61354b0ef6c00f76a7fde59cc3cf"
    "99d5b76698f415dc4559efd743be71fd",
    16,
)
"""Its primes are less than 2**202 apart."""


def public(modulus: int) -> rsa.RSAPublicKey:
    return rsa.RSAPublicNumbers(65537, modulus).public_key()
